"""Treadle runs background work for Python web applications."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.current import current_app
    from treadle.hookspecs import hookimpl, hookspec
    from treadle.registry import shared_task
    from treadle.request import current_job
    from treadle.result import AsyncResult, GroupResult
    from treadle.task import Batch, Task
    from treadle.workflows.chain import chain
    from treadle.workflows.chord import at_least, chord
    from treadle.workflows.group import group
    from treadle.workflows.mapping import chunks, xmap, xstarmap
    from treadle.workflows.signature import Signature, signature

__version__ = "0.1.0"

#: Where each public name lives. Loaded on first use, so that `import treadle` costs next to nothing.
_HOMES = {
    "AsyncResult": "treadle.result",
    "Batch": "treadle.task",
    "GroupResult": "treadle.result",
    "Signature": "treadle.workflows.signature",
    "Task": "treadle.task",
    "Treadle": "treadle.app",
    "at_least": "treadle.workflows.chord",
    "chain": "treadle.workflows.chain",
    "chord": "treadle.workflows.chord",
    "chunks": "treadle.workflows.mapping",
    "current_app": "treadle.current",
    "current_job": "treadle.request",
    "group": "treadle.workflows.group",
    "hookimpl": "treadle.hookspecs",
    "hookspec": "treadle.hookspecs",
    "shared_task": "treadle.registry",
    "signature": "treadle.workflows.signature",
    "xmap": "treadle.workflows.mapping",
    "xstarmap": "treadle.workflows.mapping",
}

__all__ = [
    "AsyncResult",
    "Batch",
    "GroupResult",
    "Signature",
    "Task",
    "Treadle",
    "__version__",
    "at_least",
    "chain",
    "chord",
    "chunks",
    "current_app",
    "current_job",
    "group",
    "hookimpl",
    "hookspec",
    "shared_task",
    "signature",
    "xmap",
    "xstarmap",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'treadle' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

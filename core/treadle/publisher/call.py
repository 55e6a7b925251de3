"""What is to become a job, or more than one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from treadle.task import Task


class Call(NamedTuple):
    """What is to become a job."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: Mapping[str, Any]
    #: None: a task that is known elsewhere.
    task: Task[..., Any] | None
    #: What is to travel with it beside what its options say: its place in a workflow.
    place: Mapping[str, Any] = MappingProxyType({})


def is_workflow(options: Mapping[str, Any]) -> bool:
    """Whether a call with these options is more than one job that waits for nothing."""
    return any(options.get(name) for name in ("link", "link_error", "after"))


def is_composed(signature: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    """Whether a signature is more than one job that waits for nothing."""
    kind = signature.get("subtask_type")
    return kind not in (None, "xmap", "xstarmap") or is_workflow(signature["options"]) or is_workflow(options)

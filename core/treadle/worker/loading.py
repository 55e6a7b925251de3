"""Imports the application that a worker runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from treadle.app import Treadle
from treadle.current import set_current_app
from treadle.exceptions import ConfigurationError
from treadle.settings import import_object

if TYPE_CHECKING:
    from types import ModuleType


class Loading(NamedTuple):
    """What to load, as the command line said."""

    #: `module`, `module:app` or `package.module.app`; empty: an app with no tasks of its own.
    app: str
    #: Settings from the command line; they win over all others.
    settings: dict[str, Any]
    #: Put in front of the import path.
    workdir: str = ""


def load_app(loading: Loading) -> Treadle:
    """The app, with its tasks imported. Raises ConfigurationError if there is none, or what its import raises."""
    folder = loading.workdir or str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    app = find_app(loading.app) if loading.app else Treadle("treadle")
    set_current_app(app)
    app.conf.read_command_line(loading.settings)
    app.load_tasks()
    return app


def find_app(path: str) -> Treadle:
    """The app at a path: the object itself, or the one in a module (`app`, `treadle`, or its only one)."""
    target = import_object(path)
    if isinstance(target, Treadle):
        return target
    members = cast("dict[str, object]", vars(target))
    found = {id(value): value for value in members.values() if isinstance(value, Treadle)}
    for name in ("app", "treadle", "jobs", "celery"):
        if isinstance(named := members.get(name), Treadle):
            return named
    if len(found) == 1:
        return next(iter(found.values()))
    return _no_single_app(path, target, len(found))


def _no_single_app(path: str, target: ModuleType, count: int) -> Treadle:
    message = f"{path!r} ({target!r}) holds {count or 'no'} Treadle apps: expected one; name it with -A module:name"
    raise ConfigurationError(message)

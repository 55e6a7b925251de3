"""The current app: the one made last. Shared tasks and bare signatures belong to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.exceptions import ConfigurationError

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.task import Task

#: The app made last. A list, so that setting it needs no `global`.
_current: list[Treadle] = []

#: Tasks of `@shared_task`: every app has them.
shared_tasks: dict[str, Task[..., Any]] = {}


def set_current_app(app: Treadle) -> None:
    """Make `app` the one that shared tasks and signatures belong to."""
    _current[:] = [app]


def current_app_object() -> Treadle:
    """The current app. Raises ConfigurationError if none was made yet."""
    if not _current:
        raise ConfigurationError(
            "no app has been made yet: create one with Treadle(...), or import the module that does"
        )
    return _current[0]


class CurrentApp:
    """Stands for the current app, whichever that is when it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(current_app_object(), name)

    def __call__(self) -> Treadle:
        """The app itself."""
        return current_app_object()

    def __repr__(self) -> str:
        return f"<current_app: {_current[0]!r}>" if _current else "<current_app: none yet>"


current_app = CurrentApp()

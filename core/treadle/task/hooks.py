"""What a task's class may do before and after each run."""

from __future__ import annotations

from typing import Any


class Hooks:
    """Methods for subclasses of `Task` to override. Those that are not overridden are never called."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Called before each run."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Called when a run returned."""

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: str) -> None:
        """Called when a run ended and the job will run again. `einfo` is the traceback as text."""

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: str) -> None:
        """Called when the job failed for good. `einfo` is the traceback as text."""

    def after_return(  # noqa: PLR0917 - Celery's signature, which users' classes repeat
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: str | None
    ) -> None:
        """Called after each run, with Celery's word for how it ended and the value or the exception."""


HOOKS = tuple(name for name in vars(Hooks) if not name.startswith("_"))

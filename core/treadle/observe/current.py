"""Which job this thread or coroutine is running."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol


class CurrentJob(Protocol):
    """What is known of it everywhere: a delivery is one, and so is a task's request."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...

    @property
    def task(self) -> str:
        """The name of its task."""
        ...


#: Set by whatever runs jobs, around each run; None outside of one.
current_job_var: ContextVar[CurrentJob | None] = ContextVar("treadle_current_job", default=None)

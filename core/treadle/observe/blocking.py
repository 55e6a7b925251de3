"""Whether code that runs as a job may block until another job ends."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from treadle.observe.current import current_job_var

_is_allowed: ContextVar[bool] = ContextVar("treadle_may_block", default=False)


@contextmanager
def allow_join_result() -> Generator[None]:
    """Within the block, a task may wait for other jobs with `get()` and its like, as Celery calls it.

    The job keeps its slot meanwhile: use it only if others run the job that is waited for.
    """
    token = _is_allowed.set(True)
    try:
        yield
    finally:
        _is_allowed.reset(token)


def refuse_blocking_in_a_job() -> None:
    """Raise RuntimeError inside a job, unless `allow_join_result` allows to wait there."""
    if current_job_var.get() is not None and not _is_allowed.get():
        raise RuntimeError(
            "get() inside a task (and so wait(), collect() and iterating) blocks a worker slot until another job "
            "ends, which may never be run: in an `async def` task, `await` the handle instead, which gives the slot "
            "back; or return a workflow; or, if the other job runs elsewhere, wait within `allow_join_result()` of "
            "treadle.result, or pass disable_sync_subtasks=False"
        )

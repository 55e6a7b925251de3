"""The exceptions that stand for how jobs ended, and where in a workflow they came from."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from treadle.edges import RESULT_PLACE, Input
from treadle.exceptions import JobCancelled, JobExpired, TaskError
from treadle.job import Record
from treadle.serialization.failure import decode_failure

if TYPE_CHECKING:
    from treadle.interfaces import Broker

#: Followed no further back than this.
_LONGEST_PATH = 2000
_PAGE = 500


def failure_of(record: Record) -> BaseException:
    """The exception that stands for how a job ended, or for its last run."""
    return error_of(record.id, record.state, record.reason, record.error)


def error_of(id: str, state: str, reason: str, error: bytes) -> BaseException:
    """The same, from its parts."""
    if error:
        return decode_failure(error)
    if state == "cancelled":
        if reason == "expired":
            return JobExpired(f"job {id} was not started before it expired")
        return JobCancelled(f"job {id} was cancelled: {reason}")
    if reason == "skipped":
        return JobCancelled(f"job {id} was never run: what it waited for was cancelled")
    return TaskError(f"job {id} failed: {reason}")


def failure_path(store: Broker, id: str, reason: str) -> list[Input]:
    """From a job that never ran, since another one failed, back to that one: whom each waited for in vain."""
    path: list[Input] = []
    while reason == "skipped" and len(path) < _LONGEST_PATH and (source := _failed_source(store, id)) is not None:
        path.append(source)
        id, reason = source.id, source.reason
    return path


def with_path(error: BaseException, store: Broker, record: Record) -> BaseException:
    """The error, with a note that says which job of the workflow it came from."""
    path = failure_path(store, record.id, record.reason)
    if path:
        records = store.get([source.id for source in path])
        steps = [_described(record.task, record.id, None)]
        steps += [
            _described(records[source.id].task if source.id in records else "job", source.id, source.place)
            for source in path
        ]
        with suppress(Exception):  # an exception of a class that takes no notes is raised without one
            error.add_note("in the workflow: " + " waited for ".join(steps))
    return error


def _described(task: str, id: str, place: int | None) -> str:
    return f"{task}[{id}]" if place is None or place <= 0 else f"{task}[{id}] (number {place})"


def _failed_source(store: Broker, id: str) -> Input | None:
    """Of the jobs that lead to this one, the first that failed by itself; else one that was skipped."""
    after, skipped = RESULT_PLACE - 1, None
    while page := store.inputs(id, after=after, limit=_PAGE):
        after = page[-1].place
        for source in page:
            if source.state == "succeeded" or source.reason == "unneeded":
                continue
            if source.reason != "skipped":
                return source
            skipped = skipped or source
    return skipped

"""What the store's fields mean in Python: records out of a job's hash."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.edges import On
from treadle.job import Record, State

#: The fields of a job's hash that make a record, in the order in which `to_record` expects them.
FIELDS = (
    "t", "q", "p", "s", "z", "a", "c", "r", "y", "o", "v", "e", "g", "m", "d", "x", "b", "f", "l", "k", "W", "B",
)  # fmt: skip

STATES: dict[bytes, State] = {
    b"d": "scheduled",
    b"b": "blocked",
    b"q": "queued",
    b"r": "running",
    b"s": "succeeded",
    b"f": "failed",
    b"c": "cancelled",
}
ON_LETTERS: dict[On, str] = {"success": "s", "failure": "f", "end": "e"}
ON_WORDS: dict[str, On] = {letter: on for on, letter in ON_LETTERS.items()}
LETTERS: dict[State, str] = {state: letter.decode() for letter, state in STATES.items()}


def to_record(job_id: str, fields: Sequence[bytes | None]) -> Record | None:
    """The record of a job from the values of `FIELDS`; None if there is no such job."""
    values = [value or b"" for value in fields]
    task, queue, priority, state, reason, attempt, crashes, receipt, payload, options = values[:10]
    result, error, progress, created, due, expires, started, finished, lease, cancelling, workflow, join = values[10:]
    if not state:
        return None
    return Record(
        id=job_id,
        task=task.decode(),
        queue=queue.decode(),
        priority=int(priority or 0),
        state=STATES[state],
        reason=reason.decode(),
        attempt=int(attempt or 0),
        crashes=int(crashes or 0),
        receipt=int(receipt or 0),
        payload=payload,
        options=options,
        result=result,
        error=error,
        progress=progress,
        created_ms=int(created or 0),
        due_ms=int(due or 0) if state == b"d" else 0,
        expires_ms=int(expires or 0),
        started_ms=int(started or 0),
        finished_ms=int(finished or 0),
        lease=lease.decode(),
        cancelling=cancelling.decode(),
        workflow=workflow.decode(),
        is_join=bool(join),
    )

"""What the tables hold, as values: small integers for states, and rows turned into records."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from treadle.brokers.sql.executor import Row
from treadle.edges import On
from treadle.job import Delivery, Record, State

SCHEDULED: Final = 0
QUEUED: Final = 1
RUNNING: Final = 2
BLOCKED: Final = 3
SUCCEEDED: Final = 4
FAILED: Final = 5
CANCELLED: Final = 6

STATE_NAMES: tuple[State, ...] = ("scheduled", "queued", "running", "blocked", "succeeded", "failed", "cancelled")
STATE_CODES: dict[State, int] = {name: code for code, name in enumerate(STATE_NAMES)}

#: How hard a running job is to be cancelled, as it is spelt in a record.
CANCELLING_NAMES: tuple[str, ...] = ("", "revoke", "terminate")
REVOKE: Final = 1
TERMINATE: Final = 2

#: What ends of jobs an edge counts, and what a job is to its workflow.
EDGE_NAMES: tuple[On, ...] = ("success", "failure", "end")
EDGE_CODES: dict[On, int] = {name: code for code, name in enumerate(EDGE_NAMES)}
JOIN: Final = 1
REPLACED: Final = 2


class Live(NamedTuple):
    """A row of the live table; the last two come from the job's own row, where a statement joins it."""

    seq: int
    state: int
    receipt: int
    #: The last receipt that settled the job: to tell a repeated settlement from a stale one.
    settled: int
    attempt: int
    crashes: int
    suspect: int
    verdict: bytes | None
    verdict_reason: str | None
    error: bytes | None
    progress: bytes | None
    cancelling: int
    lease: str | None
    started_ms: int
    #: What it still waits for, while it is blocked.
    need: int
    spare: int
    #: Whether others wait for its end.
    leads: int
    is_join: int
    id: str = ""
    redeliver: int = 1


class Outcome(NamedTuple):
    """A row of the outcome table: how a job ended."""

    seq: int
    state: int
    reason: str
    attempt: int
    crashes: int
    receipt: int
    settled: int
    lease: str | None
    result: bytes | None
    error: bytes | None
    progress: bytes | None
    started_ms: int
    finished_ms: int


def cancelled(row: Live, reason: str, now_ms: int) -> Outcome:
    """The end of a job that is not to run (any more)."""
    return Outcome(
        row.seq, CANCELLED, reason, row.attempt, row.crashes, row.receipt, row.settled,
        row.lease, None, row.error, row.progress, row.started_ms, now_ms,
    )  # fmt: skip


def ended(row: Live, state: int, reason: str, now_ms: int, *, error: bytes | None = None) -> Outcome:
    """The end of a job that did not run: a join, or what never can."""
    return Outcome(
        row.seq, state, reason, row.attempt, row.crashes, row.receipt, row.settled,
        row.lease, None, error, row.progress, row.started_ms, now_ms,
    )  # fmt: skip


def delivery(row: Row) -> Delivery:
    """The delivery for a row of the `candidates` statement, whose receipt is the one before this claim."""
    seq, id_, task, payload, queue, priority, options, receipt, attempt, crashes, suspect, verdict, _expires_ms = row
    return Delivery(
        id_, task, payload, queue, priority, options, receipt + 1, attempt, crashes, bool(suspect), verdict or b"", seq
    )


def record(row: Row) -> Record:
    """The record for a row of the `records` statements."""
    values: dict[str, Any] = dict(zip(_RECORD_COLUMNS, row, strict=True))
    state = values.pop("state")
    del values["seq"]
    if state != SCHEDULED:
        values["due_ms"] = 0
    for name in ("payload", "options", "result", "error", "progress"):
        values[name] = bytes(values[name] or b"")
    values["cancelling"] = CANCELLING_NAMES[values["cancelling"]]
    values["lease"] = values["lease"] or ""
    values["workflow"] = values["workflow"] or ""
    values["is_join"] = bool(values["is_join"])
    return Record(state=STATE_NAMES[state], **values)


_RECORD_COLUMNS = (
    "seq", "id", "task", "queue", "priority", "state", "reason", "attempt", "crashes", "receipt", "payload", "options",
    "result", "error", "progress", "created_ms", "due_ms", "expires_ms", "started_ms", "finished_ms", "lease",
    "cancelling", "workflow", "is_join",
)  # fmt: skip

"""What becomes of a job whose child has died."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from treadle.brokers.memory.entry import Entry
from treadle.brokers.memory.shelf import Shelf

#: The job that broke its child, one that may have, or one that only waited there.
Role: TypeAlias = Literal["guilty", "suspect", "innocent"]


class Death(NamedTuple):
    """How a child died."""

    #: `crashed` or `time_limit`.
    reason: str
    #: The encoded error that a job gets as its verdict, if it has to answer for the death.
    error: bytes
    max_crashes: int
    #: Nobody saw it die, so what it alone was running stays suspect after the charge.
    unseen: bool = False


def give_back(shelf: Shelf, entry: Entry, death: Death, role: Role) -> None:
    """Put a lifted job back: charged, suspected or with a verdict, by its role; or to its end.

    A run is charged once: here, or by whatever carries out the verdict.
    """
    if entry.verdict:
        entry.attempt += 1
        entry.error = entry.verdict
        shelf.put_ended(entry, "failed", entry.verdict_reason)
        return
    entry.crashes += role == "guilty" and death.reason == "crashed"
    verdict_reason = _verdict_reason(entry, death, role)
    entry.attempt += role == "guilty" and (not verdict_reason or bool(entry.cancelling))
    if entry.cancelling:
        shelf.put_ended(entry, "cancelled", "revoked")
        return
    entry.verdict_reason, entry.verdict = verdict_reason, death.error if verdict_reason else b""
    entry.suspect = not verdict_reason and (role == "suspect" or (role == "guilty" and death.unseen))
    shelf.put_queued(entry)


def _verdict_reason(entry: Entry, death: Death, role: Role) -> str:
    """Why the job must not run again; empty if it may."""
    if role == "guilty" and death.reason == "time_limit":
        return "time_limit"
    if role == "guilty" and entry.crashes >= death.max_crashes:
        return "crashed"
    if role != "innocent" and not entry.redeliver:
        return "crashed"
    return ""

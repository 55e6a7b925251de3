"""Celery's words for the states of a job: the one place where they are mapped."""

from __future__ import annotations

from treadle.job import Record

PENDING = "PENDING"
STARTED = "STARTED"
RETRY = "RETRY"
SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
REVOKED = "REVOKED"

READY_STATES = frozenset({SUCCESS, FAILURE, REVOKED})
UNREADY_STATES = frozenset({PENDING, STARTED, RETRY})
EXCEPTION_STATES = frozenset({RETRY, FAILURE, REVOKED})
PROPAGATE_STATES = frozenset({FAILURE, REVOKED})

_WORDS = {
    "blocked": PENDING,
    "running": STARTED,
    "succeeded": SUCCESS,
    "failed": FAILURE,
    "cancelled": REVOKED,
}


def celery_state(record: Record) -> str:
    """The word that Celery uses for where `record` stands.

    A job that waits for its next attempt is RETRY; one that waits for its first is PENDING.
    """
    if record.state in ("scheduled", "queued"):
        return RETRY if record.attempt > record.crashes else PENDING
    return _WORDS[record.state]

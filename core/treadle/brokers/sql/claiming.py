"""Claiming: queued jobs become running under a lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from treadle.brokers.sql import rows, telling
from treadle.brokers.sql.executor import Executor, Row
from treadle.brokers.sql.statements import Statements
from treadle.brokers.sql.store import Transaction
from treadle.exceptions import LeaseLost
from treadle.interfaces import Claimed
from treadle.job import Delivery

#: How many due jobs one claim makes queued, and how many expired ones it ends at a time.
CHUNK: Final = 500
#: After so many chunks of expired jobs a claim lets others write.
MAX_EXPIRED_CHUNKS: Final = 20

_EXPIRES_AT = 12


class Situation(NamedTuple):
    """What a claim must know before it looks into queues."""

    now_ms: int
    #: None if the lease is unknown, 0 while it is being reaped.
    lease_expires_ms: int | None
    live_leases: int
    next_due_ms: int | None
    paused_queues: int
    suspects_wait: int
    owes: int

    @property
    def holds_lease(self) -> bool:
        """Whether the claimer may take anything."""
        return bool(self.lease_expires_ms)

    @property
    def is_due(self) -> bool:
        """Whether a scheduled job is to be queued now."""
        return self.next_due_ms is not None and self.next_due_ms <= self.now_ms


def situation(executor: Executor | Transaction, statement: str, lease: str) -> Situation:
    """How things stand for the holder of `lease`, by `sql.situation`; `sql.situation_held` also keeps the lease."""
    return Situation(*executor.rows(statement, (lease,))[0])


def open_queues(
    executor: Executor | Transaction, sql: Statements, now: Situation, queues: Sequence[str]
) -> Sequence[str]:
    """Those of `queues` that are not paused, in their order."""
    if not now.paused_queues:
        return queues
    paused = {name for (name,) in executor.rows(sql.paused)}
    return [queue for queue in queues if queue not in paused]


def lease_lost(lease: str) -> LeaseLost:
    """The error for a claim under a lease that is gone."""
    return LeaseLost(f"lease {lease!r} is not open: it was reaped or abandoned, or never opened; start nothing more")


def claim(
    transaction: Transaction, now: Situation, lease: str, queues: Sequence[str], limit: int, *, idle: bool
) -> Claimed:
    """Take up to `limit` jobs from `queues`, in that order. Takes nothing if the lease is gone."""
    if not now.holds_lease or limit < 1:
        return Claimed([])
    if now.owes:
        telling.tell_owed(transaction)
    if now.is_due:
        transaction.run(transaction.sql.promote, (transaction.now_ms, CHUNK))
        now = situation(transaction, transaction.sql.situation, lease)
    names = open_queues(transaction, transaction.sql, now, queues)
    if now.suspects_wait:
        suspects = _unexpired(transaction, transaction.sql.suspects, transaction.pack(names), 1)
        if suspects:
            return Claimed(_take(transaction, lease, suspects)) if idle else Claimed([], suspects_wait=True)
    found: list[Row] = []
    for queue in names:
        share = _share(transaction, queue, limit - len(found), now.live_leases)
        found += _unexpired(transaction, transaction.sql.candidates, queue, share) if share else []
        if len(found) >= limit:
            break
    return Claimed(_take(transaction, lease, found))


def fair_share(queued: int, live_leases: int) -> int:
    """How many of a queue's jobs one child may take, so that a few jobs are shared out."""
    return -(-queued // max(live_leases, 1))


def _share(transaction: Transaction, queue: str, limit: int, live_leases: int) -> int:
    if live_leases <= 1:
        return limit
    # Counting stops where the answer cannot change any more, so that a long queue costs no more than a short one.
    queued = transaction.rows(transaction.sql.queued_up_to, (queue, limit * live_leases))[0][0]
    return min(limit, fair_share(queued, live_leases))


def _unexpired(transaction: Transaction, statement: str, where: object, limit: int) -> list[Row]:
    """The first `limit` candidates; ends the expired ones that stand before them."""
    for _ in range(MAX_EXPIRED_CHUNKS):
        found = transaction.rows(statement, (where, limit))
        expired = [row[0] for row in found if _is_expired(row, transaction.now_ms)]
        if not expired:
            return found
        if limit < CHUNK:
            wider = transaction.rows(statement, (where, CHUNK))
            expired = [row[0] for row in wider if _is_expired(row, transaction.now_ms)]
        live = [rows.Live(*row) for row in transaction.rows(transaction.sql.live_by_seq, (transaction.pack(expired),))]
        leading = [row.seq for row in live if row.leads]
        transaction.end([rows.cancelled(row, "expired", transaction.now_ms) for row in live], leading)
    return []


def _is_expired(row: Row, now_ms: int) -> bool:
    # A job with a verdict is not run, so it cannot be too late for it.
    return 0 < row[_EXPIRES_AT] <= now_ms and not row[_EXPIRES_AT - 1]


def _take(transaction: Transaction, lease: str, found: Sequence[Row]) -> list[Delivery]:
    if found:
        parameters = (lease, transaction.now_ms, transaction.pack([row[0] for row in found]))
        transaction.run(transaction.sql.take, parameters)
    return [rows.delivery(row) for row in found]

"""Changing jobs from outside: cancel, requeue, delete, and what is done to whole queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from treadle.brokers.sql import keeping, telling
from treadle.brokers.sql.rows import REVOKE, RUNNING, SCHEDULED, STATE_NAMES, TERMINATE, Live, cancelled
from treadle.brokers.sql.store import Transaction
from treadle.job import State

#: How many jobs one transaction removes or moves, so that workers get their turn in between.
CHUNK: Final = 1000


def cancel(transaction: Transaction, ids: Sequence[str], *, terminate: bool) -> dict[str, State]:
    """End waiting jobs, mark running ones; answers each known job's state afterwards."""
    live, ended = _find(transaction, ids)
    states: dict[str, State] = {row.id: STATE_NAMES[row.state] for row in ended}
    degree = TERMINATE if terminate else REVOKE
    running = [(degree, row.seq, degree) for row in live if row.state == RUNNING]
    if running:
        transaction.many(transaction.sql.request_cancel, running)
        transaction.rings_consumers = True
    _cancel(transaction, [row for row in live if row.state != RUNNING])
    states |= {row.id: "running" if row.state == RUNNING else "cancelled" for row in live}
    return states


def requeue(transaction: Transaction, ids: Sequence[str]) -> list[str]:
    """Queue final and scheduled jobs now; answers their ids."""
    sql, now_ms = transaction.sql, transaction.now_ms
    # What an end before still means to others comes first: it is forgotten with the end.
    while not telling.tell_owed(transaction):
        pass
    live, ended = _find(transaction, ids)
    final = {row.seq: row.id for row in ended if not row.is_join}
    scheduled = {row.seq: row.id for row in live if row.state == SCHEDULED}
    if final:
        transaction.run(sql.revive, (now_ms, now_ms, transaction.pack(list(final))))
        transaction.run(sql.forget_outcomes, (transaction.pack(list(final)),))
    if scheduled:
        transaction.run(sql.hasten, (now_ms, transaction.pack(list(scheduled))))
    transaction.rings_consumers = True
    return _in_order(ids, {*final.values(), *scheduled.values()})


def delete(transaction: Transaction, ids: Sequence[str]) -> list[str]:
    """Remove jobs that are not running; answers their ids."""
    live, ended = _find(transaction, ids)
    gone = {row.seq: row.id for row in ended} | {row.seq: row.id for row in live if row.state != RUNNING}
    for seq in keeping.awaited(transaction, list(gone)):
        del gone[seq]
    transaction.forget(list(gone))
    return _in_order(ids, set(gone.values()))


def set_paused(transaction: Transaction, queue: str, *, paused: bool) -> None:
    """Pause a queue, or let it go on."""
    if not transaction.run(transaction.sql.pause_known, (int(paused), queue)):
        transaction.run(transaction.sql.pause_new, (queue, int(paused)))
    transaction.rings_consumers = not paused


def purge_some(transaction: Transaction, queue: str) -> int:
    """Remove some waiting jobs of a queue; answers how many, 0 if none is left. What others wait for is cancelled."""
    waiting = _waiting_in(transaction, queue)
    leading = [seq for seq, leads in waiting if leads]
    if leading:
        live = transaction.rows(transaction.sql.live_by_seq, (transaction.pack(leading),))
        _cancel(transaction, [Live(*row) for row in live])
    transaction.forget([seq for seq, leads in waiting if not leads])
    return len(waiting)


def move_some(transaction: Transaction, source: str, target: str) -> int:
    """Move some waiting jobs of a queue to another; answers how many, 0 if none is left."""
    seqs = [seq for seq, _ in _waiting_in(transaction, source)]
    packed = transaction.pack(seqs)
    transaction.run(transaction.sql.move_live, (target, packed))
    transaction.run(transaction.sql.move_jobs, (target, packed))
    transaction.rings_consumers = True
    return len(seqs)


class _Ended(NamedTuple):
    """What is to be known of a job that has ended."""

    seq: int
    id: str
    state: int
    is_join: int


def _cancel(transaction: Transaction, rows: Sequence[Live]) -> None:
    """End jobs that wait."""
    leading = [row.seq for row in rows if row.leads]
    transaction.end([cancelled(row, "revoked", transaction.now_ms) for row in rows], leading)


def _find(transaction: Transaction, ids: Sequence[str]) -> tuple[list[Live], list[_Ended]]:
    """The jobs of these ids, live or ended, locked until the step ends; unknown ids are left out.

    A job may go from one table to the other between two looks. So what was seen in neither, and is known, is looked
    for again.
    """
    live: list[Live] = []
    ended: list[_Ended] = []
    missing = list(dict.fromkeys(ids))
    while missing:
        packed = transaction.pack(missing)
        live += [Live(*row) for row in transaction.rows(transaction.sql.live_by_id, (packed,))]
        ended += [_Ended(*row) for row in transaction.rows(transaction.sql.ended_by_id, (packed,))]
        unseen = set(missing) - {row.id for row in live} - {row.id for row in ended}
        known = transaction.rows(transaction.sql.known, (transaction.pack(list(unseen)),)) if unseen else []
        missing = [id_ for (id_,) in known]
    return live, ended


def _waiting_in(transaction: Transaction, queue: str) -> list[tuple[int, int]]:
    """Some waiting jobs of a queue, and whether others wait for their ends."""
    queued = transaction.rows(transaction.sql.queued_in, (queue, CHUNK))
    found = queued or transaction.rows(transaction.sql.scheduled_in, (queue, CHUNK))
    return [(seq, leads) for seq, leads in found]


def _in_order(ids: Sequence[str], found: set[str]) -> list[str]:
    return [id_ for id_ in dict.fromkeys(ids) if id_ in found]

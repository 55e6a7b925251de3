"""Telling: what the end of a job means to those that wait for it, in the step that ends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from treadle.brokers.sql.rows import (
    BLOCKED,
    CANCELLED,
    EDGE_NAMES,
    FAILED,
    QUEUED,
    REPLACED,
    SCHEDULED,
    STATE_NAMES,
    SUCCEEDED,
    Live,
    Outcome,
    ended,
)
from treadle.edges import RESULT_PLACE, Standing, ending_of, is_unneeded

if TYPE_CHECKING:
    from treadle.brokers.sql.store import Transaction

#: Edges that are followed in one step; the rest is owed, and left to the next claims.
MOST_EDGES: Final = 500
_MOST_SOURCES: Final = 100


class End(NamedTuple):
    """How the source of an edge ended."""

    state: int
    reason: str
    error: bytes | None


class Told(NamedTuple):
    """An edge whose source has ended."""

    target: int
    place: int
    what: int
    end: End


def tell(transaction: Transaction, outcomes: Iterable[Outcome]) -> None:
    """Tell the targets of jobs that have just ended; what these end by that tells theirs."""
    tell_ends(transaction, {outcome.seq: End(outcome.state, outcome.reason, outcome.error) for outcome in outcomes})


def tell_ends(transaction: Transaction, ends: dict[int, End]) -> None:
    """The same, for jobs by their sequence numbers."""
    budget = MOST_EDGES
    while ends and budget > 0:
        edges, unfinished = _take_edges(transaction, ends, budget)
        budget -= len(edges)
        _owe(transaction, unfinished)
        ends = follow(transaction, edges)
    _owe(transaction, ends)


def tell_owed(transaction: Transaction) -> bool:
    """Go on where a step before left off; whether nothing is owed any more."""
    sql = transaction.sql
    seqs = [seq for (seq,) in transaction.rows(sql.next_owed, (_MOST_SOURCES,))]
    if not seqs:
        return True
    packed = (transaction.pack(seqs),)
    ends = {seq: End(*end) for seq, *end in transaction.rows(sql.ends_by_seq, packed)}
    transaction.run(sql.pay, packed)
    tell_ends(transaction, ends)
    return False


def follow(transaction: Transaction, edges: Sequence[Told]) -> dict[int, End]:
    """Let the ends of sources count for their targets; those targets that have ended by it and lead on."""
    if not edges:
        return {}
    packed = transaction.pack(sorted({edge.target for edge in edges}))
    targets = {row[0]: Live(*row) for row in transaction.rows(transaction.sql.live_by_seq, (packed,))}
    return settle_targets(transaction, targets, edges)


def settle_targets(transaction: Transaction, targets: dict[int, Live], edges: Iterable[Told]) -> dict[int, End]:
    """Count edges for targets that are locked, and write what becomes of these."""
    changed: dict[int, Live] = {}
    freed: list[Live] = []
    over: list[Outcome] = []
    for edge in edges:
        row = changed.pop(edge.target, None) or targets.pop(edge.target, None)
        if row is None or row.state != BLOCKED or (row.is_join == REPLACED and edge.place != RESULT_PLACE):
            if row is not None:
                targets[row.seq] = row
            continue
        on, ending = EDGE_NAMES[edge.what], ending_of(STATE_NAMES[edge.end.state], edge.end.reason)
        standing = Standing(row.need, row.spare).after(on, ending)
        row = row._replace(need=standing.need, spare=standing.spare)
        if standing.is_free:
            freed.append(row)
        elif standing.is_lost:
            unneeded = is_unneeded(on, ending)
            state, reason = (CANCELLED, "unneeded") if unneeded else (FAILED, "skipped")
            error = None if unneeded else edge.end.error
            over.append(ended(row, state, reason, transaction.now_ms, error=error))
        else:
            changed[row.seq] = row
    if changed:
        transaction.many(transaction.sql.set_standing, [(row.need, row.spare, row.seq) for row in changed.values()])
    over += [ended(row, SUCCEEDED, "", transaction.now_ms) for row in freed if row.is_join]
    _free(transaction, [row for row in freed if not row.is_join])
    transaction.write_ends(over)
    # A target was told once, so whether it leads is what was read.
    return {outcome.seq: End(outcome.state, outcome.reason, outcome.error) for outcome in over}


def _free(transaction: Transaction, rows: Sequence[Live]) -> None:
    """Let blocked jobs wait for a worker, or for their time, which begins now."""
    if not rows:
        return
    now_ms = transaction.now_ms
    packed = transaction.pack([row.seq for row in rows])
    free: list[tuple[int, int, int, int]] = []
    for seq, delay_ms, eta_ms, ttl_ms, expires_ms in transaction.rows(transaction.sql.terms, (packed,)):
        due_ms = max(now_ms + delay_ms, eta_ms)
        limits = [limit for limit in (now_ms + ttl_ms if ttl_ms else 0, expires_ms) if limit]
        free.append((SCHEDULED if due_ms > now_ms else QUEUED, due_ms, min(limits, default=0), seq))
    transaction.many(transaction.sql.free, free)
    transaction.rings_consumers = True


def _take_edges(transaction: Transaction, ends: dict[int, End], most: int) -> tuple[list[Told], set[int]]:
    """Up to `most` edges of ended jobs, marked as told; and those of the jobs that have more."""
    sql, packed = transaction.sql, transaction.pack(sorted(ends))
    rows = transaction.rows(sql.untold, (packed, most + 1))
    unfinished: set[int] = set()
    if len(rows) <= most:
        transaction.run(sql.tell_all, (packed,))
    else:
        last = rows[most][0]
        rows = rows[:most]
        unfinished = {seq for seq in ends if seq >= last}
        whole = sorted(set(ends) - unfinished)
        transaction.run(sql.tell_all, (transaction.pack(whole),))
        of_the_last = [(source, target, place) for source, target, place, _ in rows if source in unfinished]
        transaction.many(sql.tell_one, of_the_last)
    return [Told(target, place, what, ends[source]) for source, target, place, what in rows], unfinished


def _owe(transaction: Transaction, seqs: Iterable[int]) -> None:
    """Note whose targets have not all been told."""
    owed = sorted(seqs)
    if owed:
        known = {seq for (seq,) in transaction.rows(transaction.sql.owed_among, (transaction.pack(owed),))}
        transaction.many(transaction.sql.owe, [(seq,) for seq in owed if seq not in known])
        transaction.rings_consumers = True

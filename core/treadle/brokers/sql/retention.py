"""Retention: final records are removed, the oldest first, a bounded number at a time."""

from __future__ import annotations

from typing import NamedTuple

from treadle.brokers.sql import keeping
from treadle.brokers.sql.rows import CANCELLED, FAILED, SUCCEEDED
from treadle.brokers.sql.store import Transaction


class Retention(NamedTuple):
    """How long final records are kept; None is for ever."""

    max_age_s: float | None
    failed_max_age_s: float | None
    #: How many of each final state.
    max_count: int | None

    def age_s(self, state: int) -> float | None:
        """The age limit of a final state."""
        return self.failed_max_age_s if state == FAILED else self.max_age_s


def prune(transaction: Transaction, retention: Retention, limit: int) -> int:
    """Remove up to `limit` final jobs that are too old or too many; answers how many."""
    seqs: list[int] = []
    for state in (SUCCEEDED, FAILED, CANCELLED):
        too_many = _surplus(transaction, state, retention.max_count, limit - len(seqs))
        too_old = _aged(transaction, state, retention.age_s(state), limit - len(seqs))
        # Both are the first that ended, so the longer list has the shorter one in it.
        seqs += too_many if len(too_many) > len(too_old) else too_old
    kept = keeping.awaited(transaction, seqs) if seqs else set[int]()
    seqs = [seq for seq in seqs if seq not in kept]
    if seqs:
        transaction.forget(seqs)
    return len(seqs)


def _aged(transaction: Transaction, state: int, max_age_s: float | None, limit: int) -> list[int]:
    if max_age_s is None:
        return []
    before_ms = transaction.now_ms - round(max_age_s * 1000)
    return [seq for (seq,) in transaction.rows(transaction.sql.ended_before, (state, before_ms, limit))]


def _surplus(transaction: Transaction, state: int, max_count: int | None, limit: int) -> list[int]:
    if max_count is None:
        return []
    surplus = transaction.rows(transaction.sql.count_outcomes, (state,))[0][0] - max_count
    return [seq for (seq,) in transaction.rows(transaction.sql.oldest_outcomes, (state, max(min(surplus, limit), 0)))]

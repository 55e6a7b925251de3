"""Restarting a workflow from where it did not succeed."""

from __future__ import annotations

from typing import NamedTuple

from treadle.brokers.sql import telling
from treadle.brokers.sql.rows import BLOCKED, JOIN, Live
from treadle.brokers.sql.store import Transaction
from treadle.exceptions import ConfigurationError
from treadle.interfaces import MAX_RESTARTED


class _Lost(NamedTuple):
    """A job that did not succeed."""

    seq: int
    id: str
    reason: str
    is_join: int
    need: int
    spare: int
    expires_ms: int
    receipt: int

    @property
    def waited(self) -> bool:
        """Whether it ended because of others, or was cancelled before it ran."""
        never_ran = self.need > 0 and not self.receipt and self.reason != "expired"
        return bool(self.is_join) or self.reason in ("skipped", "unneeded") or never_ran


def restart(transaction: Transaction, workflow: str) -> list[str]:
    """Queue and block again what did not succeed; answers the ids of what was queued. Raises ConfigurationError."""
    sql = transaction.sql
    while not telling.tell_owed(transaction):
        pass
    lost = [_Lost(*row) for row in transaction.rows(sql.lost, (workflow, MAX_RESTARTED + 1))]
    if not lost:
        return []
    _require_restartable(workflow, lost)
    packed = (transaction.pack([each.seq for each in lost]),)
    transaction.run(sql.untell, packed)
    again = [each for each in lost if not each.waited]
    blocked = [each for each in lost if each.waited]
    if again:
        seqs = transaction.pack([each.seq for each in again])
        transaction.run(sql.revive, (transaction.now_ms, transaction.now_ms, seqs))
        transaction.run(sql.lead_again, (seqs,))
    if blocked:
        transaction.run(sql.block_again, (transaction.pack([each.seq for each in blocked]),))
    transaction.run(sql.forget_outcomes, packed)
    freed = _count_what_stays(transaction, [each.seq for each in blocked])
    transaction.rings_consumers = True
    return [each.id for each in lost if not each.waited or each.seq in freed]


def _require_restartable(workflow: str, lost: list[_Lost]) -> None:
    if len(lost) > MAX_RESTARTED:
        raise ConfigurationError(
            f"more jobs of workflow {workflow!r} did not succeed than can be restarted: {MAX_RESTARTED} at most"
        )
    if any(each.is_join == JOIN and each.expires_ms for each in lost):
        raise ConfigurationError(
            f"workflow {workflow!r} was never stored as a whole, so it cannot be restarted: publish it again"
        )


def _count_what_stays(transaction: Transaction, seqs: list[int]) -> set[int]:
    """Let the sources that are not run again count for what is blocked again; what that has queued."""
    if not seqs:
        return set()
    packed = (transaction.pack(seqs),)
    rows = {row[0]: Live(*row) for row in transaction.rows(transaction.sql.live_by_seq, packed)}
    edges = [
        telling.Told(target, place, what, telling.End(*end))
        for _, target, place, what, *end in transaction.rows(transaction.sql.told_to, packed)
    ]
    over = telling.settle_targets(transaction, rows, edges)
    telling.tell_ends(transaction, over)
    live = [Live(*row) for row in transaction.rows(transaction.sql.live_by_seq, packed)]
    return {row.seq for row in live if row.state != BLOCKED}

"""Gates: joins that their producers hold shut, and open once all that is behind them is stored."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.brokers.sql.rows import BLOCKED, FAILED, SUCCEEDED, Live, cancelled, ended
from treadle.brokers.sql.store import Transaction


def hold(transaction: Transaction, ids: Sequence[str], ttl_ms: int) -> set[str]:
    """Keep gates shut for so long; answers those that are not blocked."""
    shut = _shut(transaction, ids)
    if shut:
        packed = transaction.pack([row.seq for row in shut])
        transaction.run(transaction.sql.hold_gates, (transaction.now_ms + ttl_ms, packed))
    return set(ids) - {row.id for row in shut}


def open_(transaction: Transaction, ids: Sequence[str]) -> set[str]:
    """Let gates need one less; answers those that were not blocked."""
    shut = _shut(transaction, ids)
    free = [row for row in shut if row.need <= 1]
    transaction.end([ended(row, SUCCEEDED, "", transaction.now_ms) for row in free], [row.seq for row in free])
    waiting = [(row.need - 1, row.spare, row.seq) for row in shut if row.need > 1]
    if waiting:
        transaction.many(transaction.sql.set_standing, waiting)
    return set(ids) - {row.id for row in shut}


def cancel(transaction: Transaction, ids: Sequence[str]) -> None:
    """End gates that are still shut."""
    shut = _shut(transaction, ids)
    transaction.end([cancelled(row, "revoked", transaction.now_ms) for row in shut], [row.seq for row in shut])


def expire(transaction: Transaction, limit: int) -> None:
    """End gates that nobody has opened or held in time, with their payload as the error."""
    sql = transaction.sql
    seqs = [seq for (seq,) in transaction.rows(sql.overdue_gates, (transaction.now_ms, limit))]
    if not seqs:
        return
    packed = (transaction.pack(seqs),)
    payloads: dict[int, bytes] = dict(transaction.rows(sql.payloads, packed))
    rows = [Live(*row) for row in transaction.rows(sql.live_by_seq, packed)]
    overdue = [
        ended(row, FAILED, "skipped", transaction.now_ms, error=bytes(payloads[row.seq]) or None)
        for row in rows
        if row.state == BLOCKED
    ]
    transaction.end(overdue, seqs)


def _shut(transaction: Transaction, ids: Sequence[str]) -> list[Live]:
    packed = transaction.pack(list(dict.fromkeys(ids)))
    rows = [Live(*row) for row in transaction.rows(transaction.sql.live_by_id, (packed,))]
    return [row for row in rows if row.state == BLOCKED]

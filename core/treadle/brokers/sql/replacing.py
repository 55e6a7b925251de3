"""Replacing: a job that ran becomes a join, and ends as another job ends."""

from __future__ import annotations

from treadle.brokers.sql import gates, graph
from treadle.brokers.sql.rows import BLOCKED, FAILED, Live, ended
from treadle.brokers.sql.store import Transaction
from treadle.edges import RESULT_PLACE, After
from treadle.settlement import Replace


def replace(transaction: Transaction, row: Live, replacement: Replace) -> None:
    """Let a running job wait for the one that replaces it; of a job that was cancelled, cancel the replacement."""
    if row.cancelling:
        gates.cancel(transaction, [replacement.gate])
        return
    charged = row._replace(
        settled=row.receipt, attempt=row.attempt + 1, suspect=0, verdict=None, verdict_reason=None, error=None
    )
    if replacement.source not in graph.seqs_of(transaction, [replacement.source]):
        over = ended(charged, FAILED, "skipped", transaction.now_ms)
        transaction.end([over], [row.seq])
        return
    transaction.put_back([(charged, BLOCKED, transaction.now_ms)])
    for statement in (transaction.sql.become_join, transaction.sql.became_join):
        transaction.run(statement, (row.seq,))
    graph.lead_from(transaction, {row.seq: [After(replacement.source, RESULT_PLACE)]})
    gates.open_(transaction, [replacement.gate])

"""Settling: running jobs end, or wait again."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.brokers.sql import replacing
from treadle.brokers.sql.rows import FAILED, QUEUED, RUNNING, SCHEDULED, SUCCEEDED, Live, Outcome, cancelled
from treadle.brokers.sql.store import Transaction
from treadle.job import Delivery
from treadle.settlement import Cancel, Complete, Fail, Release, Replace, Retry, Settlement

#: A row as it is to be, the state it waits in, and since or until when.
Waiting = tuple[Live, int, int]


def settle(transaction: Transaction, settlements: Sequence[Settlement]) -> list[str]:
    """Carry out the settlements whose receipts hold; answers the ids of those that were refused as stale."""
    settlements = _without_completed(transaction, settlements)
    if not settlements:
        return []
    packed = transaction.pack([settlement.delivery.key for settlement in settlements])
    live: dict[object, Live] = {row[0]: Live(*row) for row in transaction.rows(transaction.sql.live_by_seq, (packed,))}
    outcomes: list[Outcome] = []
    leading: list[int] = []
    waiting: list[Waiting] = []
    doubtful: list[Delivery] = []
    replaced: list[tuple[Live, Replace]] = []
    for settlement in settlements:
        delivery = settlement.delivery
        row = live.get(delivery.key)
        if row is None or row.receipt != delivery.receipt or row.state != RUNNING:
            doubtful.append(delivery)
            continue
        # A second settlement in this batch is looked up anew, like one that comes in a later batch.
        del live[row.seq]
        if row.leads:
            leading.append(row.seq)
        if isinstance(settlement, Replace):
            replaced.append((row, settlement))
            if not row.cancelling:
                continue
        fate = judge(settlement, row, transaction.now_ms)
        if isinstance(fate, Outcome):
            outcomes.append(fate)
        else:
            waiting.append(fate)
            _rewrite(transaction, row.seq, settlement)
    transaction.end(outcomes, leading)
    transaction.put_back(waiting)
    for row, replacement in replaced:
        replacing.replace(transaction, row, replacement)
    return _refuse(transaction, doubtful) if doubtful else []


def _without_completed(transaction: Transaction, settlements: Sequence[Settlement]) -> Sequence[Settlement]:
    """What is left after the short way for the many jobs that simply succeeded, on databases that have one."""
    completes = [settlement for settlement in settlements if isinstance(settlement, Complete)]
    if not completes or not (done := transaction.complete(completes)):
        return settlements
    return [each for each in settlements if (each.delivery.key, each.delivery.receipt) not in done]


def judge(settlement: Settlement, row: Live, now_ms: int) -> Outcome | Waiting:
    """What becomes of a running job that is given back with the right receipt."""
    match settlement:
        case Complete(_, result):
            return _ended(row, now_ms, SUCCEEDED, result=result)
        case Fail(_, reason, error):
            return _ended(row, now_ms, FAILED, reason=reason, error=error)
        case Cancel(_, reason, error):
            return cancelled(row._replace(settled=row.receipt, error=error or row.error), reason, now_ms)
        case Replace():
            return cancelled(row._replace(settled=row.receipt, attempt=row.attempt + 1), "revoked", now_ms)
        case Retry() | Release():
            moved = _moved(settlement, row, now_ms)
            return cancelled(moved[0], "revoked", now_ms) if row.cancelling else moved


def _moved(settlement: Retry | Release, row: Live, now_ms: int) -> Waiting:
    """The row that waits again. A release keeps the verdict: it was not carried out."""
    if isinstance(settlement, Release):
        return row._replace(settled=row.receipt, suspect=int(settlement.suspect)), QUEUED, now_ms
    charged = row._replace(
        settled=row.receipt,
        attempt=row.attempt + 1,
        error=settlement.error,
        suspect=0,
        verdict=None,
        verdict_reason=None,
    )
    delay_ms = max(settlement.delay_ms, 0)
    return charged, SCHEDULED if delay_ms else QUEUED, now_ms + delay_ms


def _ended(row: Live, now_ms: int, state: int, *, reason: str = "", result: bytes = b"", error: bytes = b"") -> Outcome:
    return Outcome(
        row.seq, state, reason, row.attempt + 1, row.crashes, row.receipt, row.receipt, row.lease,
        result or None, error or None, row.progress, row.started_ms, now_ms,
    )  # fmt: skip


def _rewrite(transaction: Transaction, seq: int, settlement: Settlement) -> None:
    """Store what a retry changes about the job itself."""
    if not isinstance(settlement, Retry):
        return
    changes = (settlement.payload, settlement.options, settlement.queue, settlement.priority)
    if changes == (None, None, None, None):
        return
    known = transaction.rows(transaction.sql.job_texts, (seq,))[0]
    merged = [old if new is None else new for old, new in zip(known, changes, strict=True)]
    transaction.run(transaction.sql.rewrite_job, (*merged, seq))
    transaction.run(transaction.sql.rewrite_live, (*merged[2:], seq))


def _refuse(transaction: Transaction, doubtful: Sequence[Delivery]) -> list[str]:
    """Of deliveries whose receipts are not current, the ids of those that these receipts have not settled before."""
    packed = transaction.pack([delivery.key for delivery in doubtful])
    settled: dict[object, int] = dict(transaction.rows(transaction.sql.settled, (packed, packed)))
    refused = [delivery.id for delivery in doubtful if settled.get(delivery.key) != delivery.receipt]
    transaction.count_stale(len(refused))
    return refused

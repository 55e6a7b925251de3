"""Leases: what a child holds lives while its lease lives, and goes back when it is gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from treadle.brokers.sql import gates
from treadle.brokers.sql.rows import FAILED, QUEUED, Live, Outcome, cancelled
from treadle.brokers.sql.store import Transaction

#: More than any child can hold.
_ALL = 1_000_000_000


class Death(NamedTuple):
    """What is known about the end of a child."""

    reason: str
    #: The encoded error of jobs that are not to run again.
    error: bytes
    max_crashes: int
    #: Nobody saw it.
    is_unseen: bool = False
    guilty: str | None = None
    suspects: Collection[str] = ()


def open_lease(transaction: Transaction, lease: str, ttl_ms: int) -> None:
    """Open a lease, or extend it if it is open: the call may have been repeated."""
    if transaction.rows(transaction.sql.lease_count)[0][0] == 0:
        # Nobody was there to renew anything, so the silence until now was no outage.
        transaction.set_fact("pulse_ms", transaction.now_ms)
    expires_ms = transaction.now_ms + ttl_ms
    if not transaction.run(transaction.sql.extend_leases, (expires_ms, transaction.pack([lease]))):
        transaction.run(transaction.sql.open_lease, (lease, expires_ms))


def renew(transaction: Transaction, leases: Sequence[str], ttl_ms: int) -> set[str]:
    """Extend leases; answers those that are gone. Notes an outage, if there was one."""
    now_ms = transaction.now_ms
    if is_outage(now_ms - transaction.fact("pulse_ms"), ttl_ms):
        transaction.set_fact("recover_after_ms", now_ms + ttl_ms)
    transaction.set_fact("pulse_ms", now_ms)
    packed = transaction.pack(leases)
    transaction.run(transaction.sql.extend_leases, (now_ms + ttl_ms, packed))
    gone = set(leases) - {lease for (lease,) in transaction.rows(transaction.sql.leases_among, (packed,))}
    transaction.count_stale(len(gone))
    return gone


def is_outage(silence_ms: int, ttl_ms: int) -> bool:
    """Whether nobody could renew anything for so long that living children may look dead."""
    return silence_ms * 2 > ttl_ms


def abandon(transaction: Transaction, lease: str, death: Death) -> list[str]:
    """Close a lease and give back all that was held under it; answers the ids."""
    # The child may have died with a claim on its way: locking its lease waits until that is in, or refused.
    transaction.rows(transaction.sql.lock_lease, (lease,))
    held = _held(transaction, lease, _ALL)
    _give_back(transaction, held, [after_death(row, death, transaction.now_ms) for row in held])
    transaction.run(transaction.sql.close_lease, (lease,))
    return [row.id for row in held]


def disown(transaction: Transaction, lease: str, known: Collection[tuple[int | str, int]]) -> None:
    """Give back what is held under a lease, but for the `known` keys and receipts: nobody has it, or ever had."""
    transaction.rows(transaction.sql.lock_lease, (lease,))
    strays = [row for row in _held(transaction, lease, _ALL) if (row.seq, row.receipt) not in known]
    _give_back(transaction, strays, [_undone(row, transaction.now_ms) for row in strays])


def recover(transaction: Transaction, limit: int, max_crashes: int, error: bytes) -> list[str]:
    """Give back up to `limit` jobs of leases that ran out; answers their ids."""
    if transaction.now_ms < transaction.fact("recover_after_ms"):
        return []
    gates.expire(transaction, limit)
    recovered: list[str] = []
    # Nothing runs under a lease that does not exist, unless somebody deletes leases by hand.
    overdue = transaction.rows(transaction.sql.overdue_leases, (transaction.now_ms,))
    for (lease,) in [*overdue, *transaction.rows(transaction.sql.missing_leases)]:
        if len(recovered) >= limit:
            break
        wanted = limit - len(recovered)
        held = _held(transaction, lease, wanted)
        deaths = [(row, _unwitnessed(row, error, max_crashes)) for row in held]
        _give_back(transaction, held, [after_death(row, death, transaction.now_ms) for row, death in deaths])
        done = transaction.sql.close_lease if len(held) < wanted else transaction.sql.doom_lease
        transaction.run(done, (lease,))
        recovered += [row.id for row in held]
    return recovered


def after_death(row: Live, death: Death, now_ms: int) -> Outcome | Live:
    """What becomes of a job that a dead child held: an end, or the row that is queued again."""
    row = row._replace(receipt=row.receipt + 1)
    if row.verdict:
        return _failed(row, now_ms)
    if row.cancelling:
        return cancelled(_charged(row, death) if row.id == death.guilty else row, "revoked", now_ms)
    if row.id == death.guilty:
        return _blamed(row, death)
    if row.id in death.suspects:
        return row._replace(suspect=1) if row.redeliver else _sentenced(row, "crashed", death.error)
    return row._replace(suspect=0)


def _undone(row: Live, now_ms: int) -> Outcome | Live:
    """The row as it was before it was claimed, but for its receipt."""
    row = row._replace(receipt=row.receipt + 1)
    return cancelled(row, "revoked", now_ms) if row.cancelling else row


def _charged(row: Live, death: Death) -> Live:
    return row._replace(attempt=row.attempt + 1, crashes=row.crashes + (death.reason == "crashed"))


def _blamed(row: Live, death: Death) -> Live:
    """The row charged with the run that ended so, or sentenced; what carries a sentence out charges that run."""
    if death.reason != "crashed":
        return _sentenced(row, death.reason, death.error)
    charged = _charged(row, death)
    if charged.crashes >= death.max_crashes or not row.redeliver:
        return _sentenced(charged._replace(attempt=row.attempt), "crashed", death.error)
    # Whoever was seen to die of it is known; whoever only vanished while it ran alone is still but suspected.
    return charged._replace(suspect=int(death.is_unseen))


def _sentenced(row: Live, reason: str, error: bytes) -> Live:
    """The row with a verdict. It will not be run, so it need not be run alone."""
    return row._replace(verdict=error, verdict_reason=reason, suspect=0)


def _unwitnessed(row: Live, error: bytes, max_crashes: int) -> Death:
    """Nobody saw the child die: whoever ran alone did it, all others may have."""
    guilty = row.id if row.suspect else None
    return Death("crashed", error, max_crashes, is_unseen=True, guilty=guilty, suspects=(row.id,))


def _failed(row: Live, now_ms: int) -> Outcome:
    """The end by a verdict that nobody lived to carry out."""
    return Outcome(
        row.seq, FAILED, row.verdict_reason or "crashed", row.attempt + 1, row.crashes, row.receipt, row.settled,
        row.lease, None, row.verdict, row.progress, row.started_ms, now_ms,
    )  # fmt: skip


def _held(transaction: Transaction, lease: str, limit: int) -> list[Live]:
    return [Live(*row) for row in transaction.rows(transaction.sql.held, (lease, limit))]


def _give_back(transaction: Transaction, rows: Sequence[Live], fates: Sequence[Outcome | Live]) -> None:
    leading = {row.seq for row in rows if row.leads}
    transaction.end([fate for fate in fates if isinstance(fate, Outcome)], leading)
    transaction.put_back([(fate, QUEUED, transaction.now_ms) for fate in fates if isinstance(fate, Live)])

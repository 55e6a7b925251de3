"""The claiming side of the SQL broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from treadle.brokers.sql import claiming, leases, settling
from treadle.brokers.sql.rows import TERMINATE
from treadle.brokers.sql.store import Store, Transaction
from treadle.brokers.sql.vigil import Vigil
from treadle.interfaces import CancelRequest, Claimed, Settled
from treadle.job import Delivery
from treadle.settlement import Settlement

_T = TypeVar("_T")


class SqlConsumer:
    """Claims and settles for the child that holds one lease.

    A claim whose answer is lost has perhaps taken jobs that nobody knows of, under a lease that goes on. So the
    consumer remembers what it has; after a claim that failed it gives back the rest, before anything else.
    """

    def __init__(self, store: Store, lease: str, queues: Sequence[str]) -> None:
        self._store = store
        self._lease = lease
        self._queues = tuple(dict.fromkeys(queues))
        self._first_queue = 0
        self._answered: set[tuple[str, int, int]] = set()
        self._held: set[tuple[int | str, int]] = set()
        self._in_doubt = False
        self._vigil = Vigil(store.dialect.bell.listen_as_consumer(), store.dialect)
        self._free_at = 0.0

    def claim(self, limit: int, *, idle: bool, wait_s: float = 0.0) -> Claimed:
        """Take up to `limit` due jobs; waits up to `wait_s` seconds for one. Raises LeaseLost."""
        deadline = time.monotonic() + wait_s
        self._resolve_doubt()
        while True:
            next_due_s = self._look()
            claimed = self._claim_now(limit, idle=idle) if next_due_s == 0 else Claimed([])
            left_s = deadline - time.monotonic()
            if claimed.deliveries or claimed.suspects_wait or left_s <= 0:
                return claimed
            if self._vigil.wait(min(left_s, max(next_due_s, 0.001))) == "wake":
                return self._claim_now(limit, idle=idle)

    def settle(self, settlements: Sequence[Settlement], *, claim_next: int = 0, idle: bool = False) -> Settled:
        """Give deliveries back and take up to `claim_next` more, in one transaction."""
        self._resolve_doubt()
        queues = self._rotated()

        def work(transaction: Transaction) -> Settled:
            # The lease is locked before the jobs, as whoever reaps it does: so neither waits for the other in vain.
            now = claiming.situation(transaction, transaction.sql.situation_held, self._lease) if claim_next else None
            refused = settling.settle(transaction, settlements) if settlements else []
            if now is None:
                return Settled(refused, Claimed([]))
            return Settled(refused, claiming.claim(transaction, now, self._lease, queues, claim_next, idle=idle))

        self._in_doubt = claim_next > 0
        settled = self._step(work)
        self._in_doubt = False
        self._remember(settlements, settled.claimed)
        return settled

    def note(self, delivery: Delivery, progress: bytes) -> bool:
        """Store the progress of a running job. False if the receipt is not the current one."""

        def work(transaction: Transaction) -> bool:
            if transaction.run(transaction.sql.note, (progress, delivery.key, delivery.receipt)):
                return True
            transaction.count_stale(1)
            return False

        return self._step(work)

    def cancel_requests(self) -> list[CancelRequest]:
        """Requests to cancel jobs that run under this lease, that were not returned before."""
        found = set(self._store.rows(self._store.sql.cancel_requests, (self._lease,)))
        fresh = sorted(found - self._answered)
        self._answered = found
        return [CancelRequest(id_, receipt, degree == TERMINATE) for id_, receipt, degree in fresh]

    def wake(self) -> None:
        """Make a waiting `claim` return at once, or the next one."""
        self._vigil.wake()

    def close(self) -> None:
        """Stop listening. What is held stays under the lease."""
        self._vigil.close()

    def _claim_now(self, limit: int, *, idle: bool) -> Claimed:
        return self.settle((), claim_next=limit, idle=idle).claimed

    def _remember(self, settlements: Sequence[Settlement], claimed: Claimed) -> None:
        self._held.difference_update((each.delivery.key, each.delivery.receipt) for each in settlements)
        self._held.update((delivery.key, delivery.receipt) for delivery in claimed.deliveries)
        if claimed.deliveries:
            self._vigil.rest()

    def _resolve_doubt(self) -> None:
        """Give back what a claim took whose answer never came.

        It locks the lease, as that claim did, so it waits for one that has yet to be committed.
        """
        if self._in_doubt:
            self._step(lambda transaction: leases.disown(transaction, self._lease, self._held))
            self._in_doubt = False

    def _look(self) -> float:
        """Seconds until something may be taken: 0 for now, infinity for not in sight. Raises LeaseLost.

        Looking takes no lock, so children that are woken for one job do not queue up to find nothing.
        """
        self._vigil.look()
        sql = self._store.sql
        with self._store.reading() as executor:
            now = claiming.situation(executor, sql.situation, self._lease)
            if not now.holds_lease:
                raise claiming.lease_lost(self._lease)
            queues = claiming.open_queues(executor, sql, now, self._queues)
            if now.is_due or now.owes or any(executor.rows(sql.is_queued, (queue,)) for queue in queues):
                return 0.0
        return float("inf") if now.next_due_ms is None else (now.next_due_ms - now.now_ms) / 1000

    def _rotated(self) -> tuple[str, ...]:
        self._first_queue = (self._first_queue + 1) % max(len(self._queues), 1)
        return self._queues[self._first_queue :] + self._queues[: self._first_queue]

    def _step(self, work: Callable[[Transaction], _T]) -> _T:
        """One transaction; on a database that others use too, not right after the one before."""
        courtesy_s = self._store.dialect.courtesy_s
        if courtesy_s and (left_s := self._free_at - time.monotonic()) > 0:
            time.sleep(left_s)
        try:
            return self._store.step(work)
        finally:
            self._free_at = time.monotonic() + courtesy_s

"""The claiming side of the memory broker."""

from __future__ import annotations

import time
from collections.abc import Sequence

from treadle.brokers.memory.bell import Bell
from treadle.brokers.memory.store import MemoryStore
from treadle.exceptions import LeaseLost
from treadle.interfaces import CancelRequest, Claimed, Settled
from treadle.job import Delivery
from treadle.settlement import Settlement


class MemoryConsumer:
    """Claims and settles for one lease; see `treadle.interfaces.Consumer`."""

    def __init__(self, store: MemoryStore, lease: str, queues: Sequence[str]) -> None:
        self._store = store
        self._lease = lease
        self._queues = list(dict.fromkeys(queues))
        self._turn = 0
        self._bell = Bell()
        self._woken = False

    def claim(self, limit: int, *, idle: bool, wait_s: float = 0.0) -> Claimed:
        """Take up to `limit` due jobs, waiting up to `wait_s` seconds for the first."""
        deadline_s = time.monotonic() + wait_s
        queues = self._next_turn()
        while True:
            with self._store.step():
                claimed = self._store.claim(self._lease, queues, limit, idle=idle)
                left_s = deadline_s - time.monotonic()
                if claimed.deliveries or claimed.suspects_wait or self._woken or left_s <= 0:
                    self._woken = False
                    return claimed
                self._store.await_work(self._bell, queues)
                pause_s = min(left_s, self._until_due_s())
            self._bell.sleep(pause_s)

    def settle(self, settlements: Sequence[Settlement], *, claim_next: int = 0, idle: bool = False) -> Settled:
        """Give deliveries back and claim up to `claim_next` more, in one step."""
        with self._store.step():
            refused = [each.delivery.id for each in settlements if not self._store.settle(each)]
            self._store.tellings.tell()
            return Settled(refused, self._claim_next(claim_next, idle=idle))

    def note(self, delivery: Delivery, progress: bytes) -> bool:
        """Store the progress of a running job."""
        with self._store.lock:
            return self._store.note(delivery, progress)

    def cancel_requests(self) -> list[CancelRequest]:
        """Requests to cancel what runs under this lease, each answered once."""
        with self._store.lock:
            return self._store.cancel_requests(self._lease)

    def wake(self) -> None:
        """Make the running or next `claim` return at once. Takes no lock, so signal handlers may call it."""
        self._woken = True
        self._bell.ring()

    def close(self) -> None:
        """Nothing to drop."""

    def _claim_next(self, limit: int, *, idle: bool) -> Claimed:
        if limit <= 0:
            return Claimed([])
        try:
            return self._store.claim(self._lease, self._next_turn(), limit, idle=idle)
        except LeaseLost:
            return Claimed([])

    def _next_turn(self) -> list[str]:
        """The queues, beginning with another one each time."""
        turn = self._turn % max(1, len(self._queues))
        self._turn = turn + 1
        return self._queues[turn:] + self._queues[:turn]

    def _until_due_s(self) -> float:
        due_ms = self._store.next_due_ms()
        return float("inf") if due_ms is None else max(0.001, (due_ms - self._store.now_ms()) / 1000)

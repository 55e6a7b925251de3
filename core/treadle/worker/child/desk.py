"""Where a child's two sides meet: the broker thread puts deliveries down, the pool takes them and leaves outcomes.

The queue and the deque are the only shared structures, and their operations are atomic: a job costs no
lock of ours. What is held is counted by the broker thread alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from treadle.worker.child.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.job import Delivery
    from treadle.settlement import Settlement
    from treadle.worker.child.pace import Pace


class Desk:
    """An inbox of deliveries, an outbox of settlements, and a bell for the broker thread."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._inbox: SimpleQueue[Delivery | Bundle | None] = SimpleQueue()
        self._outbox: deque[Settlement] = deque()
        #: The outcomes of batches.
        self._bundle_outbox: deque[tuple[Bundle, list[Settlement]]] = deque()
        self._bell = threading.Event()
        #: Deliveries put down whose settlement was not collected yet; a bundle counts as one. Changed by the broker
        #: thread only, as is the next.
        self.held = 0
        #: How many more deliveries than bundles there are in the bundles among them.
        self.bundled = 0
        #: When the pool last took a delivery (monotonic seconds).
        self.taken_s = 0.0
        #: How many of the started wait for other jobs, and let others run in their place. Changed under the lock.
        self.waiting = 0
        self.lock = threading.Lock()
        #: Called when a place was given up, for pools that must do something to use it.
        self.on_lent: Callable[[], None] = nothing
        #: True once no more deliveries will come.
        self.closed = False
        #: Called after deliveries were put down, for pools that do not block in `take`.
        self.on_put: Callable[[], None] = nothing
        #: Called when the broker thread should look, wherever it waits.
        self.ring: Callable[[], None] = self._bell.set

    # The broker thread's side ----------------------------------------------------------------------

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Put deliveries down for the pool."""
        self.taken_s = time.monotonic()
        self.held += len(deliveries)
        for delivery in deliveries:
            self._inbox.put(delivery)
        self.on_put()

    def put_bundle(self, bundle: Bundle) -> None:
        """Put a batch down for the pool."""
        self.taken_s = time.monotonic()
        self.held += 1
        self.bundled += len(bundle.deliveries) - 1
        self._inbox.put(bundle)
        self.on_put()

    def take_back(self) -> list[Delivery | Bundle]:
        """What nobody has started; the pool will not see it."""
        taken: list[Delivery | Bundle] = []
        while (unit := self.take_nowait()) is not None:
            taken.append(unit)
            if isinstance(unit, Bundle):
                self.bundled -= len(unit.deliveries) - 1
        self.held -= len(taken)
        return taken

    def collect(self) -> list[Settlement]:
        """The settlements left so far, in order."""
        outbox = self._outbox
        settlements = [outbox.popleft() for _ in range(len(outbox))]
        self.held -= len(settlements)
        return settlements

    def collect_bundles(self) -> list[tuple[Bundle, list[Settlement]]]:
        """The batches that have ended so far, and their settlements."""
        outbox = self._bundle_outbox
        ended = [outbox.popleft() for _ in range(len(outbox))]
        self.held -= len(ended)
        self.bundled -= sum(len(bundle.deliveries) - 1 for bundle, _ in ended)
        return ended

    @property
    def unstarted(self) -> int:
        """How many deliveries and bundles wait in the inbox."""
        return self._inbox.qsize()

    @property
    def has_outcomes(self) -> bool:
        """Whether settlements wait to be collected."""
        return bool(self._outbox or self._bundle_outbox)

    @property
    def at_work(self) -> int:
        """How many deliveries are held, without those that wait for other jobs."""
        return self.held - self.waiting

    def wait(self, timeout_s: float | None) -> None:
        """Wait until the bell rings."""
        self._bell.wait(timeout_s)
        self._bell.clear()

    def close(self, takers: int) -> None:
        """Make `take` answer None, to each of `takers`."""
        self.closed = True
        for _ in range(takers):
            self._inbox.put(None)
        self.on_put()

    # The pool's side -------------------------------------------------------------------------------

    def take(self) -> Delivery | Bundle | None:
        """The next delivery or bundle; waits for one. None: there will be no more."""
        unit = self._inbox.get()
        self.taken_s = time.monotonic()
        return unit

    def take_nowait(self) -> Delivery | Bundle | None:
        """The next delivery or bundle, or None if there is none now."""
        try:
            return self._inbox.get_nowait()
        except Empty:
            return None

    def give(self, settlement: Settlement, took_s: float) -> None:
        """Leave the outcome of a delivery that was taken."""
        self._pace.record(settlement.delivery.task, took_s)
        self._outbox.append(settlement)
        if self._inbox.empty():
            self.ring()

    def give_bundle(self, bundle: Bundle, settlements: list[Settlement]) -> None:
        """Leave the outcomes of a batch that was taken, one for each delivery."""
        self._bundle_outbox.append((bundle, settlements))
        if self._inbox.empty():
            self.ring()


def nothing() -> None:
    """No pool needs to be told."""

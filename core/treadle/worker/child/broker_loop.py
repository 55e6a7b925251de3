"""The broker thread of a child: claims, hands out, collects outcomes, settles.

A state machine that starts from scratch on any error: what was claimed and not settled is still under
the lease, what was decided and not stored is settled again with the same receipts.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from treadle.exceptions import BrokerUnavailable, LeaseLost, TreadleError
from treadle.settlement import Release, Settlement
from treadle.worker.board import MAX_WAITING
from treadle.worker.child.bundle import Bundle
from treadle.worker.child.pace import MAX_BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.interfaces import Claimed, Consumer
    from treadle.job import Delivery
    from treadle.worker.board import Board
    from treadle.worker.child.collector import Collector
    from treadle.worker.child.desk import Desk
    from treadle.worker.child.limits import Limits
    from treadle.worker.child.pace import Pace

logger = logging.getLogger(__name__)

#: Outcomes wait no longer than this for company.
SETTLE_AFTER_S = 0.005
#: Unstarted deliveries go back when the job before them takes longer than this.
HAND_BACK_AFTER_S = 0.05
#: The thread shows that it is alive, and asks for cancel requests, at least this often.
TICK_S = 1.0
#: One call settles no more than this.
_SETTLE_CHUNK = 500
_BACKOFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)


class BrokerLoop:
    """Keeps a child's pool fed and its outcomes stored, until told to stop."""

    def __init__(
        self,
        consumer: Consumer,
        desk: Desk,
        pace: Pace,
        limits: Limits,
        board: Board,
        *,
        slots: int,
        collector: Collector | None = None,
        max_jobs: int | None = None,
        is_overgrown: Callable[[], bool] = lambda: False,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        self._consumer, self._desk, self._pace, self._limits, self._board = consumer, desk, pace, limits, board
        self._slots = slots
        #: None where there are no batch tasks.
        self._collector = collector
        self._jobs_left = max_jobs
        self._is_overgrown = is_overgrown
        self._may_start = may_start
        self._unsettled: list[Settlement] = []
        self._running_alone = False
        self._suspects_wait = False
        self._next_ask_s = 0.0
        self._settled_s = 0.0
        self._failures = 0
        self._waits_in_claim = False
        #: Why the loop stops claiming: "", or "drain", "recycle", "lease_lost".
        self.stopping = ""
        self._grace_ends_s = float("inf")
        desk.ring = self._ring_for(desk.ring)

    def run(self) -> None:
        """Work until stopped and nothing is held any more."""
        while not self._is_over():
            try:
                self._step()
                self._failures = 0
            except BrokerUnavailable as error:
                self._wait_out(error)
            except LeaseLost:
                self._lose_lease()
            except TreadleError:
                logger.exception("the broker refused a call, trying again")
                self._wait_out(None)
        # More threads may take than there are slots.
        self._desk.close(self._slots + MAX_WAITING)

    def stop(self, why: str, grace_s: float | None = None) -> None:
        """Claim nothing more, give the unstarted back, end when the running jobs have. From any thread.

        After `grace_s` seconds the running jobs are interrupted and given back too.
        """
        if grace_s is not None:
            self._grace_ends_s = min(self._grace_ends_s, time.monotonic() + grace_s)
        self.stopping = self.stopping or why
        self._desk.ring()

    # One round -------------------------------------------------------------------------------------

    def _step(self) -> None:
        now_s = time.monotonic()
        self._board.tick(now_s)
        self._hand_back(now_s)
        self._enforce(now_s)
        if self._collector is not None and self._collector.count:
            self._start_batches(self._collector)
        want = self._wanted()
        if self._is_time_to_settle(now_s, want):
            self._exchange()
        elif want and self._desk.at_work == 0:
            self._claim(want, idle=True, wait_s=self._next_event_s(now_s))
        elif want:
            self._claim(want, idle=False, wait_s=self._next_event_s(now_s))
        else:
            self._desk.wait(self._pause_s(now_s))

    def _is_time_to_settle(self, now_s: float, want: int) -> bool:
        if self._unsettled:
            return True
        if not self._desk.has_outcomes:
            return False
        return bool(want) or self._desk.unstarted == 0 or now_s - self._settled_s >= SETTLE_AFTER_S

    def _exchange(self) -> None:
        """Settle what was decided and take what comes next, in one round trip."""
        self._collect()
        chunk = self._unsettled[:_SETTLE_CHUNK]
        # More than a moment ago: what was collected has made room.
        want = self._wanted() if len(chunk) == len(self._unsettled) else 0
        answer = self._consumer.settle(chunk, claim_next=want, idle=self._desk.at_work == 0)
        self._settled_s = time.monotonic()
        if answer.refused:
            logger.warning("refused as late, another worker has them now: %s", ", ".join(answer.refused))
        self._count(sum(type(settlement) is not Release for settlement in chunk))
        del self._unsettled[: len(chunk)]
        self._hand_out(answer.claimed)

    def _claim(self, want: int, *, idle: bool, wait_s: float) -> None:
        self._waits_in_claim = True
        try:
            # An outcome left before the flag was up has rung the other bell.
            claimed = self._consumer.claim(want, idle=idle, wait_s=0.0 if self._desk.has_outcomes else wait_s)
        finally:
            self._waits_in_claim = False
        self._hand_out(claimed)

    def _hand_out(self, claimed: Claimed) -> None:
        deliveries = claimed.deliveries
        self._suspects_wait = claimed.suspects_wait
        if not deliveries:
            return
        if self._is_closing or not self._may_start():
            self._give_back(deliveries)
            return
        if self._collector is not None:
            deliveries = self._collector.sift(deliveries, self._free_slots)
            if not deliveries:
                return
        self._running_alone = deliveries[0].suspect
        fitting = max(self._pace.fitting(deliveries), self._free_slots)
        self._give_back(deliveries[fitting:])
        self._board.hold(deliveries[:fitting])
        self._desk.put(deliveries[:fitting])

    def _wanted(self) -> int:
        """How many deliveries to ask for: none unless a slot is free."""
        free = self._free_slots
        if free <= 0 or self._is_closing or not self._may_start():
            return 0
        if self._desk.at_work and (self._running_alone or self._suspects_wait):
            return 0
        want = max(free, self._pace.batch_size()) if self._desk.held == 0 else free
        promised = self._desk.held + len(self._unsettled)
        if self._collector is not None:
            want = max(want, min(MAX_BATCH, self._collector.appetite()))
            promised += self._desk.bundled + self._collector.count
        if self._jobs_left is None or self._desk.waiting:
            return want
        return max(0, min(want, self._jobs_left - promised))

    @property
    def _free_slots(self) -> int:
        return self._slots + self._desk.waiting - self._desk.held

    @property
    def _is_closing(self) -> bool:
        """Whether it claims no more. What waits for other jobs must get them, even in a child to be recycled."""
        return bool(self.stopping) and not (self.stopping == "recycle" and self._desk.waiting)

    def _hand_back(self, now_s: float) -> None:
        """Give unstarted deliveries back when the worker stops, or the job before them takes long."""
        if self._desk.unstarted and (self._is_closing or now_s - self._desk.taken_s > HAND_BACK_AFTER_S):
            for unit in self._desk.take_back():
                self._give_back(self._unbundled(unit) if isinstance(unit, Bundle) else [unit])
        collector = self._collector
        if collector is not None and collector.count:
            goes_back = self._is_closing or not self._may_start() or self._board.is_recalled
            self._give_back(collector.take_all() if goes_back else collector.take_late())

    def _start_batches(self, collector: Collector) -> None:
        """Hand out the batches that are due, unless a suspect runs, which must be alone."""
        if not (self._desk.at_work and self._running_alone):
            collector.start_due(self._free_slots)

    def _collect(self) -> None:
        """Take in the outcomes that the pool has left."""
        self._unsettled += self._desk.collect()
        for bundle, settlements in self._desk.collect_bundles() if self._collector is not None else ():
            self._unbundled(bundle)
            self._unsettled += settlements

    def _unbundled(self, bundle: Bundle) -> list[Delivery]:
        """The deliveries of a bundle that runs no more, or never will."""
        self._board.members.drop(bundle.span)
        return bundle.deliveries

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        self._unsettled += [Release(delivery, delivery.suspect) for delivery in deliveries]

    def _enforce(self, now_s: float) -> None:
        """Soft limits, cancel requests, the end of the grace period."""
        self._limits.enforce_soft(now_s)
        if now_s >= self._grace_ends_s:
            self._limits.interrupt_all()
        if not self._desk.held:
            self._limits.forget_cancelled()
        elif now_s >= self._next_ask_s:
            self._next_ask_s = now_s + TICK_S
            for request in self._consumer.cancel_requests():
                self._limits.cancel(request)

    def _count(self, ended: int) -> None:
        """Retire when the child has run its number of jobs, or has grown too large."""
        if self._jobs_left is not None:
            self._jobs_left -= ended
            if self._jobs_left <= 0:
                self.stopping = self.stopping or "recycle"
        if self._is_overgrown():
            self.stopping = self.stopping or "recycle"

    def _pause_s(self, now_s: float) -> float:
        if self._desk.unstarted:
            return SETTLE_AFTER_S
        wait_s = self._next_event_s(now_s)
        return max(0.0, min(wait_s, self._grace_ends_s - now_s)) if now_s < self._grace_ends_s else 0.05

    def _next_event_s(self, now_s: float) -> float:
        """Seconds until a limit passes or a batch is due."""
        at_most_s = self._limits.next_event_s(now_s, TICK_S)
        return at_most_s if self._collector is None else self._collector.next_event_s(at_most_s)

    # When things go wrong --------------------------------------------------------------------------

    def _wait_out(self, error: BrokerUnavailable | None) -> None:
        if self._failures == 0 and error is not None:
            logger.warning("the broker does not answer, trying again: %s", error)
        pause_s = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)]
        self._failures += 1
        self._board.tick(time.monotonic())
        self._enforce_quietly()
        self._desk.wait(pause_s)

    def _enforce_quietly(self) -> None:
        now_s = time.monotonic()
        self._limits.enforce_soft(now_s)
        if now_s >= self._grace_ends_s:
            self._limits.interrupt_all()
            if now_s >= self._grace_ends_s + TICK_S and self._failures > len(_BACKOFF_S):
                # Nobody to give anything back to: the lease runs out by itself.
                self._unsettled = []
                self._desk.held = 0

    def _lose_lease(self) -> None:
        if not self.stopping:
            logger.error("the lease of this process was taken away: it starts nothing more")
        self.stopping = "lease_lost"
        self._limits.interrupt_all()
        self._collect()
        self._desk.wait(SETTLE_AFTER_S)

    def _is_over(self) -> bool:
        if self._collector is not None and self._collector.count:
            return False
        return bool(self.stopping) and self._desk.held == 0 and not self._unsettled

    def _ring_for(self, ring: Callable[[], None]) -> Callable[[], None]:
        def wake() -> None:
            ring()
            if self._waits_in_claim:
                self._consumer.wake()

        return wake

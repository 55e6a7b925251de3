"""The supervisor's side of the broker: leases, abandoned jobs, recovery, retention. One thread.

In a thread of its own, so that a broker that does not answer never delays the enforcement of limits.
"""

from __future__ import annotations

import logging
import threading
import time
from queue import Empty, Queue
from typing import TYPE_CHECKING, NamedTuple

from treadle.exceptions import BrokerUnavailable, TreadleError, WorkerLost
from treadle.serialization.failure import encode_failure
from treadle.settlement import Release

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.interfaces import Broker
    from treadle.job import Delivery

logger = logging.getLogger(__name__)

#: How long a lease holds, and how often it is renewed.
LEASE_S = 15.0
RENEW_S = 5.0
_PRUNE_EVERY_S = 30.0
_RETRY_S = 0.5
_RECOVER_CHUNK = 100
_RELEASE_CHUNK = 500


class Retention(NamedTuple):
    """How long final records are kept."""

    max_age_s: float | None
    #: For failed jobs: they wait for a person.
    failed_max_age_s: float | None
    #: How many of each final state at most.
    max_count: int | None


class Keeper:
    """Does what the supervisor asks of the broker, in order, and renews leases in between."""

    def __init__(
        self,
        broker: Broker,
        *,
        renewable: Callable[[], Sequence[str]],
        on_renewed: Callable[[Sequence[str], set[str], float], None],
        retention: Retention,
        max_crashes: int,
        lease_s: float = LEASE_S,
    ) -> None:
        self._broker = broker
        self._renewable, self._on_renewed = renewable, on_renewed
        self._retention, self._max_crashes = retention, max_crashes
        self._lease_s, self._renew_s = lease_s, lease_s * RENEW_S / LEASE_S
        # Not a SimpleQueue: a signal that comes when its timeout has passed makes it wait for ever (CPython 3.11-3.13),
        # as when a worker that was stopped for long goes on, and hears of its children.
        self._errands: Queue[Callable[[], None] | None] = Queue()
        self._renew_at_s = 0.0
        self._prune_at_s = time.monotonic() + _PRUNE_EVERY_S
        self._thread = threading.Thread(target=self._run, name="treadle-keeper", daemon=True)
        self._thread.start()

    def do(self, errand: Callable[[], None]) -> None:
        """Run `errand` in the keeper's thread, again and again until the broker answers."""
        self._errands.put(errand)

    def open_lease(self, lease: str, then: Callable[[float], None]) -> None:
        """Open a lease, then call `then` with the time until which it holds."""

        def errand() -> None:
            until_s = time.monotonic() + self._lease_s
            self._broker.open_lease(lease, self._lease_s)
            then(until_s)

        self.do(errand)

    def abandon(
        self, lease: str, *, reason: str, error: bytes, guilty: str | None = None, suspects: Sequence[str] = ()
    ) -> None:
        """Give back what a child that is gone held."""

        def errand() -> None:
            given_back = self._broker.abandon(
                lease,
                reason=reason,
                error=error,
                guilty=guilty,
                suspects=frozenset(suspects),
                max_crashes=self._max_crashes,
            )
            if given_back:
                logger.warning("gave back jobs of %s: %d", lease, len(given_back))

        self.do(errand)

    def release(self, lease: str, unstarted: Sequence[Delivery]) -> None:
        """Give back jobs that a busy child holds and has not started."""

        def errand() -> None:
            consumer = self._broker.consumer(lease, ())
            for first in range(0, len(unstarted), _RELEASE_CHUNK):
                consumer.settle([Release(delivery) for delivery in unstarted[first : first + _RELEASE_CHUNK]])
            consumer.close()

        self.do(errand)

    def stop(self, timeout_s: float) -> None:
        """Finish the errands that wait, within `timeout_s`."""
        self._errands.put(None)
        self._thread.join(timeout_s)

    # ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                errand = self._errands.get(timeout=max(0.0, self._renew_at_s - time.monotonic()))
            except Empty:
                self._quietly(self._keep)
                continue
            if errand is None:
                return
            while not self._quietly(errand):
                self._quietly(self._keep)
                time.sleep(_RETRY_S)

    def _quietly(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except BrokerUnavailable as error:
            logger.warning("the broker does not answer the supervisor: %s", error)
            return False
        except TreadleError:
            logger.exception("the broker refused the supervisor, trying again")
            return False
        return True

    def _keep(self) -> None:
        now_s = time.monotonic()
        if now_s < self._renew_at_s:
            return
        self._renew_at_s = now_s + _RETRY_S  # sooner again, should the call fail
        leases = list(self._renewable())
        lost = self._broker.renew(leases, self._lease_s)
        self._on_renewed(leases, lost, now_s + self._lease_s)
        self._renew_at_s = now_s + self._renew_s
        self._recover()
        if now_s >= self._prune_at_s:
            self._prune_at_s = now_s + _PRUNE_EVERY_S
            self._prune()

    def _recover(self) -> None:
        while recovered := self._broker.recover(_RECOVER_CHUNK, error=_vanished(), max_crashes=self._max_crashes):
            logger.warning("recovered %d jobs whose worker's lease ran out", len(recovered))
            if len(recovered) < _RECOVER_CHUNK:
                return

    def _prune(self) -> None:
        deadline_s = time.monotonic() + 1.0
        keep = self._retention
        while self._broker.prune(
            max_age_s=keep.max_age_s, failed_max_age_s=keep.failed_max_age_s, max_count=keep.max_count
        ):
            if time.monotonic() > deadline_s:
                self._prune_at_s = time.monotonic()
                return


def _vanished() -> bytes:
    """What a job failed with that was running each time its worker's lease ran out."""
    text = "the worker's lease ran out while it ran the job: its machine died, or could not reach the store"
    return encode_failure(WorkerLost(text), with_traceback=False)

"""What a case of the contract works with: a broker, children that claim from it, and time."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, TypeVar

from treadle.interfaces import Broker, Settled
from treadle.job import Delivery, Job, Record
from treadle.settlement import Settlement

#: Moves the store's time forward by so many seconds.
Advance: TypeAlias = Callable[[float], None]

QUEUE = "q"
PAYLOAD = b"json:[[1],{}]"
#: A lease that a test lets run out.
SHORT_TTL_S = 0.4
#: What a supervisor says of a job whose worker's lease ran out.
LOST = b'{"the verdict":"of the one who recovers"}'
_TICK_S = 0.02
_TO_REST_S = 0.05

_Answer = TypeVar("_Answer")


class Child:
    """One child of a worker: a lease and the consumer that claims under it."""

    def __init__(self, broker: Broker, lease: str, queues: Sequence[str], ttl_s: float) -> None:
        broker.open_lease(lease, ttl_s)
        self.broker = broker
        self.lease = lease
        self.consumer = broker.consumer(lease, queues)

    def take(self, limit: int = 1, *, idle: bool = True, wait_s: float = 0.0) -> list[Delivery]:
        """What one claim gives."""
        return self.consumer.claim(limit, idle=idle, wait_s=wait_s).deliveries

    def take_one(self, limit: int = 1) -> Delivery:
        """The one job that a claim gives."""
        deliveries = self.take(limit)
        assert len(deliveries) == 1, f"a claim that should give one job gave {deliveries}"
        return deliveries[0]

    def take_ids(self, limit: int = 100) -> list[str]:
        """Ids of what one claim gives, in its order."""
        return [delivery.id for delivery in self.take(limit)]

    def take_ids_waiting(self, wait_s: float) -> list[str]:
        """Ids of what one claim gives that waits for something."""
        return [delivery.id for delivery in self.take(100, wait_s=wait_s)]

    def settle(self, *settlements: Settlement) -> Settled:
        """Give deliveries back, and claim nothing."""
        return self.consumer.settle(settlements)


class Stage:
    """A broker with an empty store, seen by one test."""

    def __init__(
        self,
        broker: Broker,
        second_broker: Broker | None = None,
        advance: Advance | None = None,
        *,
        patience_s: float = 10.0,
    ) -> None:
        self.broker = broker
        #: How long to wait for what should happen: long enough for a slow machine.
        self.patience_s = patience_s
        #: Another client of the same store, if there is one.
        self.other = second_broker or broker
        self._advance = advance
        self._names = itertools.count(1)
        self._children: list[Child] = []

    # Jobs ------------------------------------------------------------------------------------------

    def publish(self, *ids: str, **fields: Any) -> list[str]:
        """Publish one job for each id, all with these fields."""
        self.broker.publish([job(job_id, **fields) for job_id in ids])
        return list(ids)

    def record(self, job_id: str) -> Record:
        """The record of a job that must be known."""
        records = self.broker.get([job_id])
        assert job_id in records, f"job {job_id!r} is lost"
        return records[job_id]

    def state(self, job_id: str) -> str:
        """The state of a job, or `unknown`."""
        records = self.broker.get([job_id])
        return records[job_id].state if job_id in records else "unknown"

    def states(self, ids: Collection[str]) -> list[str]:
        """The states of the jobs, in the order of `ids`."""
        return [self.state(job_id) for job_id in ids]

    # Children --------------------------------------------------------------------------------------

    def child(self, *queues: str, ttl_s: float = 60.0, broker: Broker | None = None) -> Child:
        """A child under a fresh lease."""
        child = Child(broker or self.broker, f"worker/{next(self._names)}", queues or (QUEUE,), ttl_s)
        self._children.append(child)
        return child

    def kill(self, child: Child, *, guilty: str | None = None, reason: str = "crashed", **options: Any) -> list[str]:
        """Abandon the lease of a child, as its supervisor does when it has died."""
        return self.broker.abandon(child.lease, reason=reason, error=b"json:died", guilty=guilty, **options)

    def crash_with(self, job_id: str, *, times: int = 1, reason: str = "crashed") -> None:
        """Let a job kill its child, so many times."""
        for _ in range(times):
            child = self.child()
            assert child.take_ids(1) == [job_id]
            self.kill(child, guilty=job_id, reason=reason)

    def suspect(self, *ids: str) -> None:
        """Publish jobs and make them suspects."""
        self.publish(*ids)
        child = self.child()
        assert sorted(child.take_ids()) == sorted(ids)
        self.kill(child, suspects=ids)

    def recover_while_renewing(self, renewing: Child, *, ttl_s: float = SHORT_TTL_S, **options: Any) -> list[str]:
        """Let time pass while one child renews its lease, until something is recovered."""

        def recovered() -> list[str]:
            renewing.broker.renew([renewing.lease], ttl_s)
            return self.broker.recover(error=LOST, **options)

        return self.until(recovered)

    # Time ------------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let the store's time pass: moved where that can be done, else lived through."""
        if self._advance is None:
            time.sleep(seconds)
        else:
            self._advance(seconds)

    def until(self, condition: Callable[[], _Answer]) -> _Answer:
        """What the condition answers once that is true, letting the store's time pass meanwhile."""
        deadline_s = time.monotonic() + self.patience_s
        while not (answer := condition()):
            assert time.monotonic() < deadline_s, "what was waited for did not happen"
            self.pass_time(_TICK_S)
        return answer

    @contextmanager
    def meanwhile(self, action: Callable[[], object]) -> Generator[Errand]:
        """Run an action in another thread, from before the block until after it; its failure is raised here."""
        errand = Errand(action)
        errand.start()
        # Time to come to rest in the call; if it is not enough, the case is easier to pass, never harder.
        errand.join(_TO_REST_S)
        try:
            yield errand
        finally:
            errand.join(self.patience_s * 2)
        errand.must_have_ended_well()

    def assert_prompt(self, errand: Errand) -> None:
        """The errand came back because it was woken, not because its time was up."""
        assert errand.took_s < self.patience_s / 4, f"woken only after {errand.took_s:.2f} s"

    def close(self) -> None:
        """Close the consumers of all children."""
        for child in self._children:
            child.consumer.close()


class Errand(threading.Thread):
    """An action in another thread: its answer, or what it raised."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._action = action
        self.answer: Any = None
        self.failure: BaseException | None = None
        self.took_s = 0.0

    def run(self) -> None:
        """Run the action and time it."""
        began_s = time.monotonic()
        try:
            self.answer = self._action()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the test
            self.failure = error
        self.took_s = time.monotonic() - began_s

    def must_have_ended_well(self) -> None:
        """Raise here what was raised there."""
        assert not self.is_alive(), "a call in another thread did not return"
        if self.failure is not None:
            raise self.failure


def job(job_id: str, **fields: Any) -> Job:
    """A job with what a case does not care about filled in."""
    given: dict[str, Any] = {"task": "app.task", "payload": PAYLOAD, "queue": QUEUE, **fields}
    return Job(job_id, **given)

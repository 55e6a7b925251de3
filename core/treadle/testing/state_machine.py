"""Random walks through a broker, compared with the model at every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from treadle.interfaces import Broker
from treadle.job import Delivery, Job
from treadle.settlement import Cancel, Complete, Fail, Release, Retry, Settlement
from treadle.testing.broker_contract.stage import LOST
from treadle.testing.model import MAX_CRASHES
from treadle.testing.walk import IDS, QUEUES, TTL_S, Walk

_Broker = TypeVar("_Broker", bound=Broker)

_SOON_MS = 10_000
_LATER_MS = 3_600_000

_ids = st.sampled_from(IDS)
_queues = st.sampled_from(QUEUES)
_delays_ms = st.sampled_from([0, 0, 0, _SOON_MS, _LATER_MS])
_choices = st.integers(0, 7)
_kinds = st.integers(0, 4)


class BrokerMachine(Walk):
    """Publishes, claims, settles, cancels, kills and waits at random. Made by `make_state_machine`."""

    # Clients ---------------------------------------------------------------------------------------

    @rule(
        ids=st.lists(_ids, min_size=1, max_size=4),
        queue=_queues,
        priority=st.integers(-1, 1),
        delay_ms=_delays_ms,
        redeliver=st.sampled_from([True, True, False]),
    )
    def publish(self, ids: list[str], queue: str, priority: int, delay_ms: int, redeliver: bool) -> None:
        """Publish jobs, some of whose ids may be known."""
        jobs = [
            Job(job_id, "task", b"json:", queue, priority, delay_ms=delay_ms, redeliver=redeliver) for job_id in ids
        ]
        self.broker.publish(jobs)
        self.model.publish(jobs)

    @rule(job_id=_ids)
    def requeue(self, job_id: str) -> None:
        """Queue a job again."""
        was_promoted = self.may_be_queued_already(job_id)
        answer = self.broker.requeue([job_id])
        expected = [job_id] if job_id in self.model.jobs and self.model.requeue(job_id) else []
        assert answer == expected or was_promoted

    @rule(job_id=_ids, verb=st.sampled_from(["revoke", "terminate", "delete"]))
    def give_up(self, job_id: str, verb: str) -> None:
        """Cancel a job, whatever it is doing, or delete it, unless it runs."""
        known = self.model.jobs.get(job_id)
        if verb == "delete":
            self.broker.delete([job_id])
            if known is not None and known.state != "running":
                del self.model.jobs[job_id]
            return
        answer = self.broker.cancel([job_id], terminate=verb == "terminate")
        assert list(answer) == ([] if known is None else [job_id])
        if known is not None:
            self.model.cancel(job_id)

    @rule(verb=st.sampled_from(["pause", "resume", "resume", "purge", "move"]), queue=_queues)
    def administer(self, verb: str, queue: str) -> None:
        """Pause, resume, purge or move a queue: one rule, so that most steps are about jobs."""
        other = QUEUES[1 - QUEUES.index(queue)]
        match verb:
            case "pause":
                self.broker.pause(queue)
                self.model.paused.add(queue)
            case "resume":
                self.broker.resume(queue)
                self.model.paused.discard(queue)
            case "purge":
                self.broker.purge(queue)
                self.model.purge(queue)
            case _:
                self.broker.move(queue, other)
                self.model.move(queue, other)

    # Children --------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.consumers) < 3)
    @rule()
    def start_child(self) -> None:
        """One child more."""
        self.open_lease()

    @rule(choice=_choices, limit=st.integers(1, 4), idle=st.booleans())
    def claim(self, choice: int, limit: int, idle: bool) -> None:
        """Claim as one of the children."""
        lease = self.lease_at(choice)
        deliveries, suspects_wait = self.consumers[lease].claim(limit, idle=idle)
        self.check_claim(deliveries, limit, idle=idle, suspects_wait=suspects_wait)
        for delivery in deliveries:
            job = self.model.jobs[delivery.id]
            self.check_delivery(delivery, job)
            self.model.claim(delivery, lease)
            self.deliveries.append((delivery, job.number))

    @precondition(lambda self: self.current())
    @rule(choice=_choices, kind=_kinds, delay_ms=_delays_ms, suspect=st.booleans())
    def settle(self, choice: int, kind: int, delay_ms: int, suspect: bool) -> None:
        """Give back something that is held."""
        current = self.current()
        delivery, _ = current[choice % len(current)]
        settlement = _settlement(delivery, kind, delay_ms, suspect=suspect)
        assert self.first_consumer().settle([settlement]).refused == []
        self.model.settle(settlement)

    @precondition(lambda self: len(self.current()) < len(self.deliveries))
    @rule(choice=_choices, kind=_kinds, delay_ms=_delays_ms)
    def settle_late(self, choice: int, kind: int, delay_ms: int) -> None:
        """Give back something that is not held any more: stale, or a repetition. Nothing changes but the count."""
        past = [each for each in self.deliveries if not self.model.holds(*each)]
        delivery, number = past[-1 - choice % len(past)]
        stale_before = self.broker.counts().stale_acks
        refused = self.first_consumer().settle([_settlement(delivery, kind, delay_ms, suspect=False)]).refused
        assert refused == [] or not self.model.was_settled(delivery, number), "a repetition is answered ok"
        assert refused == [delivery.id] or self.model.was_ever_settled(delivery, number), "a stale receipt is refused"
        assert self.broker.counts().stale_acks == stale_before + len(refused)

    @precondition(lambda self: self.mortal())
    @rule(
        choice=_choices,
        reason=st.sampled_from(["crashed", "time_limit"]),
        running=st.sampled_from(["one", "one", "several", "none"]),
    )
    def die(self, choice: int, reason: str, running: str) -> None:
        """A child dies, seen by its supervisor, while it runs one of its jobs, all of them, or none."""
        lease = self.mortal()[choice % len(self.mortal())]
        held = sorted(job.id for job in self.model.held(lease))
        guilty = held[choice % len(held)] if running == "one" else None
        suspects = held if running == "several" else []
        given_back = self.broker.abandon(
            lease, reason=reason, error=b"json:v", guilty=guilty, suspects=suspects, max_crashes=MAX_CRASHES
        )
        self.model.abandon(lease, reason, guilty, suspects)
        self.bury(lease, held, given_back)

    # Time ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.can_advance)
    @rule(seconds=st.sampled_from([11.0, TTL_S * 2]))
    def pass_time(self, seconds: float) -> None:
        """Time passes while all children renew their leases; nothing is taken from anybody."""
        self.let_pass(seconds, renewing=list(self.consumers))
        assert self.broker.recover(error=LOST, max_crashes=MAX_CRASHES) == []

    @precondition(lambda self: self.can_advance and self.mortal())
    @rule(choice=_choices)
    def vanish(self, choice: int) -> None:
        """A child's machine is gone: its lease runs out while the others renew theirs."""
        lease = self.mortal()[choice % len(self.mortal())]
        held = sorted(job.id for job in self.model.held(lease))
        self.let_pass(TTL_S * 1.5, renewing=[each for each in self.consumers if each != lease])
        given_back = self.broker.recover(error=LOST, max_crashes=MAX_CRASHES)
        self.model.reap(lease)
        self.bury(lease, held, given_back)


def _settlement(delivery: Delivery, kind: int, delay_ms: int, *, suspect: bool) -> Settlement:
    every: Sequence[Settlement] = (
        Complete(delivery, b"json:1"),
        Fail(delivery, "error", b"json:e"),
        Retry(delivery, delay_ms),
        Cancel(delivery, "revoked"),
        Release(delivery, suspect=suspect),
    )
    return every[kind]


def make_state_machine(
    open_broker: Callable[[], AbstractContextManager[_Broker]],
    advance: Callable[[_Broker, float], None] | None = None,
) -> type[BrokerMachine]:
    """A state machine for one kind of broker, for `hypothesis.stateful.run_state_machine_as_test`.

    `open_broker` gives a broker on an empty store, and closes it in the end. `advance` moves the time of a
    broker's store by so many seconds.
    """
    move_time = advance

    class Machine(BrokerMachine):
        can_advance = move_time is not None

        def open_broker(self) -> AbstractContextManager[Broker]:
            return open_broker()

        def advance(self, seconds: float) -> None:
            assert move_time is not None
            move_time(cast("_Broker", self.broker), seconds)

    return Machine

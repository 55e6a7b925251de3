"""A broker and the model side by side: what a walk through both needs, and how they are compared."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager

from hypothesis.stateful import RuleBasedStateMachine, invariant

from treadle.interfaces import Broker, Consumer
from treadle.job import Delivery, Job
from treadle.testing.model import Model, ModelJob

IDS = tuple("abcdef")
QUEUES = ("x", "y")
TTL_S = 40.0


class Walk(RuleBasedStateMachine):
    """Holds a broker, its children and the model of its jobs. The rules are in `BrokerMachine`."""

    #: Whether time can be moved; without it leases do not run out and delays do not end.
    can_advance = False

    def __init__(self) -> None:
        super().__init__()
        self._opened = self.open_broker()
        self.broker: Broker = self._opened.__enter__()
        self.model = Model()
        self.consumers: dict[str, Consumer] = {}
        self.deliveries: list[tuple[Delivery, int]] = []
        self.receipts: dict[int, int] = {}
        self._lease_ids = (f"worker/{number}" for number in itertools.count())
        # The first child is never chosen to die: its renewals tell the store that this is no outage.
        self.open_lease()
        self.open_lease()
        jobs = [Job(job_id, "task", b"json:", "x") for job_id in IDS]
        self.broker.publish(jobs)
        self.model.publish(jobs)

    def open_broker(self) -> AbstractContextManager[Broker]:
        """A broker on an empty store, closed in the end."""
        raise NotImplementedError

    def advance(self, seconds: float) -> None:
        """Move the time of the store."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Close what was opened."""
        for consumer in self.consumers.values():
            consumer.close()
        self._opened.__exit__(None, None, None)

    # Comparing -------------------------------------------------------------------------------------

    @invariant()
    def the_broker_agrees_with_the_model(self) -> None:
        """Every job is where the rules say, and its receipt has not gone back."""
        records = self.broker.get(IDS)
        assert set(records) == set(self.model.jobs)
        for job in self.model.jobs.values():
            record = records[job.id]
            is_promoted = job.state == "scheduled" and record.state == "queued" and self.model.is_due(job)
            assert is_promoted or record.state == job.state, f"{job.id} is {record.state}, should be {job.state}"
            expected = (job.reason, job.attempt, job.crashes, job.queue, job.priority)
            assert (record.reason, record.attempt, record.crashes, record.queue, record.priority) == expected
            assert record.receipt >= self.receipts.get(job.number, 0), f"the receipt of {job.id} went back"
            assert job.state != "running" or (record.receipt, record.lease) == (job.receipt, job.lease)
            self.receipts[job.number] = record.receipt

    def check_claim(self, deliveries: list[Delivery], limit: int, *, idle: bool, suspects_wait: bool) -> None:
        """What was claimed is what the rules let one child take."""
        suspects = {queue: self.model.line(queue, suspect=True) for queue in QUEUES}
        ordinary = {queue: self.model.line(queue, suspect=False) for queue in QUEUES}
        claimed = [delivery.id for delivery in deliveries]
        if any(suspects.values()) and idle:
            assert len(claimed) == 1, "a suspect is claimed alone"
            assert claimed[0] in {line[0] for line in suspects.values() if line}
            return
        assert suspects_wait == any(suspects.values())
        for queue, line in ordinary.items():
            taken = [delivery.id for delivery in deliveries if delivery.queue == queue]
            assert taken == line[: len(taken)], "jobs are claimed in their order"
            assert len(taken) <= self.model.share(queue), "a child takes no more than its share"
        if not suspects_wait:
            assert len(claimed) == min(limit, sum(self.model.share(queue) for queue in QUEUES))

    def check_delivery(self, delivery: Delivery, job: ModelJob) -> None:
        """A delivery says of its job what the rules say."""
        assert delivery.receipt > self.receipts.get(job.number, 0), "a claim raises the receipt"
        assert (delivery.attempt, delivery.crashes) == (job.attempt, job.crashes)
        assert (delivery.suspect, bool(delivery.verdict)) == (job.suspect, bool(job.verdict_reason))

    # Children --------------------------------------------------------------------------------------

    def current(self) -> list[tuple[Delivery, int]]:
        """What children hold: deliveries, each with the number of its job."""
        return [each for each in self.deliveries if self.model.holds(*each)]

    def first_consumer(self) -> Consumer:
        """A consumer to settle with."""
        # A settlement counts by its receipt, whoever brings it.
        return next(iter(self.consumers.values()))

    def open_lease(self) -> None:
        """One child more."""
        lease = next(self._lease_ids)
        self.broker.open_lease(lease, TTL_S if self.can_advance else 3600.0)
        self.model.leases.add(lease)
        self.consumers[lease] = self.broker.consumer(lease, QUEUES)

    def mortal(self) -> list[str]:
        """Children that hold something, but for the first."""
        return [lease for lease in list(self.consumers)[1:] if self.model.held(lease)]

    def bury(self, lease: str, held: list[str], given_back: list[str]) -> None:
        """What a dead child held was given back, and its lease is gone for good."""
        went_on = {job_id for job_id in held if not self.model.jobs[job_id].is_final}
        assert went_on <= set(given_back) <= set(held)
        assert self.broker.renew([lease], TTL_S) == {lease}, "a lease that was taken away is not revived"
        self.consumers.pop(lease).close()

    def lease_at(self, choice: int) -> str:
        """The lease of one of the children."""
        return list(self.consumers)[choice % len(self.consumers)]

    def let_pass(self, seconds: float, *, renewing: list[str]) -> None:
        """Let time pass while those children renew their leases."""
        step_s = TTL_S / 5
        while seconds > 0:
            self.advance(min(step_s, seconds))
            self.model.now_s += min(step_s, seconds)
            seconds -= step_s
            assert self.broker.renew(renewing, TTL_S) == set()

    def may_be_queued_already(self, job_id: str) -> bool:
        """Whether a store may have queued the scheduled job, since it is due."""
        job = self.model.jobs.get(job_id)
        return job is not None and job.state == "scheduled" and self.model.is_due(job)

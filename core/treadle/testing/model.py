"""A store reduced to its rules: what every broker must answer, without clocks, locks or speed."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import ceil

from treadle.job import FINAL_STATES, Delivery, Job, State
from treadle.settlement import Cancel, Complete, Fail, Release, Replace, Retry, Settlement

MAX_CRASHES = 2


@dataclass
class ModelJob:
    """What the rules say about one job. `number` is its place in the order of publishing."""

    id: str
    number: int
    queue: str
    priority: int
    redeliver: bool
    state: State = "queued"
    reason: str = ""
    #: Model time, in seconds, from which a scheduled job is as good as queued.
    due_s: float = 0.0
    attempt: int = 0
    crashes: int = 0
    receipt: int = 0
    lease: str = ""
    suspect: bool = False
    alone: bool = False
    verdict_reason: str = ""
    is_cancelling: bool = False
    settled: list[int] = field(default_factory=list[int])

    @property
    def rank(self) -> tuple[int, int]:
        """Where it stands among the queued jobs of its queue; the smallest is claimed first."""
        return -self.priority, self.number

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL_STATES


class Model:
    """All jobs, by the rules of `treadle.interfaces`."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.jobs: dict[str, ModelJob] = {}
        self.leases: set[str] = set()
        self.paused: set[str] = set()
        self._numbers = itertools.count()

    def publish(self, jobs: Sequence[Job]) -> None:
        """Add the jobs whose ids are new."""
        for job in jobs:
            if job.id not in self.jobs:
                new = ModelJob(job.id, next(self._numbers), job.queue, job.priority, job.redeliver)
                self.jobs[job.id] = new
                self._wait(new, job.delay_ms)

    # Claiming --------------------------------------------------------------------------------------

    def is_due(self, job: ModelJob) -> bool:
        """Whether a claim treats it as queued."""
        return job.state == "queued" or (job.state == "scheduled" and job.due_s <= self.now_s)

    def line(self, queue: str, *, suspect: bool) -> list[str]:
        """Ids of the jobs that can be claimed from the queue, in order."""
        if queue in self.paused:
            return []
        waiting = [job for job in self.jobs.values() if job.queue == queue and self.is_due(job)]
        return [job.id for job in sorted(waiting, key=lambda job: job.rank) if job.suspect == suspect]

    def share(self, queue: str) -> int:
        """How many jobs one child may take from the queue, when no suspects wait."""
        return ceil(len(self.line(queue, suspect=False)) / max(1, len(self.leases)))

    def claim(self, delivery: Delivery, lease: str) -> None:
        """Take note of a delivery."""
        job = self.jobs[delivery.id]
        job.state, job.lease, job.receipt = "running", lease, delivery.receipt
        job.alone = job.suspect

    # Settling --------------------------------------------------------------------------------------

    def holds(self, delivery: Delivery, number: int) -> bool:
        """Whether the delivery of the job with that number is the current one."""
        job = self.jobs.get(delivery.id)
        is_same = job is not None and job.number == number
        return bool(job and is_same and job.state == "running" and job.receipt == delivery.receipt)

    def was_settled(self, delivery: Delivery, number: int) -> bool:
        """Whether this receipt was the last to settle the job."""
        job = self.jobs.get(delivery.id)
        return bool(job and job.number == number and job.settled[-1:] == [delivery.receipt])

    def was_ever_settled(self, delivery: Delivery, number: int) -> bool:
        """Whether this receipt has settled the job at some time; a store need not remember all of them."""
        job = self.jobs.get(delivery.id)
        return bool(job and job.number == number and delivery.receipt in job.settled)

    def settle(self, settlement: Settlement) -> None:
        """Carry out a settlement that holds."""
        job = self.jobs[settlement.delivery.id]
        job.settled.append(job.receipt)
        job.alone = False
        match settlement:
            case Complete():
                job.attempt += 1
                self._end(job, "succeeded")
            case Fail(reason=reason):
                job.attempt += 1
                self._end(job, "failed", reason)
            case Cancel(reason=reason):
                self._end(job, "cancelled", reason)
            case Retry(delay_ms=delay_ms):
                job.attempt += 1
                job.suspect, job.verdict_reason = False, ""
                self._wait_or_end(job, delay_ms)
            case Release(suspect=suspect):
                job.suspect = suspect
                self._wait_or_end(job, 0)
            case Replace():
                raise NotImplementedError("the model knows no workflows: no rule of the machine replaces a job")

    # Clients ---------------------------------------------------------------------------------------

    def cancel(self, job_id: str) -> None:
        """End what waits, mark what runs."""
        job = self.jobs[job_id]
        if job.state == "running":
            job.is_cancelling = True
        elif not job.is_final:
            self._end(job, "cancelled", "revoked")

    def requeue(self, job_id: str) -> bool:
        """Queue a final or scheduled job; whether it was one."""
        job = self.jobs[job_id]
        if job.is_final:
            job.attempt = job.crashes = 0
            job.reason, job.is_cancelling = "", False
        elif job.state != "scheduled":
            return False
        job.state = "queued"
        return True

    def purge(self, queue: str) -> None:
        """Forget what waits in the queue."""
        for job in list(self.jobs.values()):
            if job.queue == queue and job.state in ("queued", "scheduled"):
                del self.jobs[job.id]

    def move(self, source: str, target: str) -> None:
        """Move what waits to another queue."""
        for job in self.jobs.values():
            if job.queue == source and job.state in ("queued", "scheduled"):
                job.queue = target

    # Dead children ---------------------------------------------------------------------------------

    def held(self, lease: str) -> list[ModelJob]:
        """What runs under the lease."""
        return [job for job in self.jobs.values() if job.state == "running" and job.lease == lease]

    def abandon(self, lease: str, reason: str, guilty: str | None, suspects: Collection[str]) -> None:
        """Give back what a dead child held."""
        for job in self.held(lease):
            self._give_back(job, reason, is_guilty=job.id == guilty, is_suspect=job.id in suspects)
        self.leases.discard(lease)

    def reap(self, lease: str) -> None:
        """Give back what was held under a lease that ran out."""
        for job in self.held(lease):
            was_alone = job.alone
            self._give_back(job, "crashed", is_guilty=was_alone, is_suspect=not was_alone)
            job.suspect = not job.is_final and not job.verdict_reason
        self.leases.discard(lease)

    def _give_back(self, job: ModelJob, reason: str, *, is_guilty: bool, is_suspect: bool) -> None:
        job.alone = False
        if job.verdict_reason:
            job.attempt += 1
            self._end(job, "failed", job.verdict_reason)
            return
        job.crashes += is_guilty and reason == "crashed"
        if is_guilty and (reason == "time_limit" or job.crashes >= MAX_CRASHES):
            job.verdict_reason = reason
        elif (is_guilty or is_suspect) and not job.redeliver:
            job.verdict_reason = "crashed"
        # What carries out a verdict charges the run, unless the job is cancelled first.
        job.attempt += is_guilty and (job.is_cancelling or not job.verdict_reason)
        job.suspect = is_suspect and not job.verdict_reason
        self._wait_or_end(job, 0)

    def _wait_or_end(self, job: ModelJob, delay_ms: int) -> None:
        if job.is_cancelling:
            self._end(job, "cancelled", "revoked")
        else:
            self._wait(job, delay_ms)

    def _wait(self, job: ModelJob, delay_ms: int) -> None:
        job.state = "scheduled" if delay_ms else "queued"
        job.due_s = self.now_s + delay_ms / 1000

    def _end(self, job: ModelJob, state: State, reason: str = "") -> None:
        job.state, job.reason = state, reason
        job.suspect, job.verdict_reason = False, ""

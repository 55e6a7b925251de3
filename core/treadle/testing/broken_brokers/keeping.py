"""Faults in publishing, in the store's time, and in what is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence

from treadle.brokers.memory.entry import Entry
from treadle.job import Job, State
from treadle.testing.broken_brokers.fault import Fault


class Piecemeal(Fault):
    """Publishes one by one, so that a bad job in a batch leaves the half before it."""

    caught_by = ("test_a_batch_with_one_invalid_job_stores_nothing",)

    def publish(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            super().publish([job])


class Overwriting(Fault):
    """Replaces a job that is published again."""

    caught_by = (
        "test_publishing_again_leaves_a_waiting_job_as_it_is",
        "test_publishing_again_leaves_a_running_job_as_it_is",
        "test_publishing_again_leaves_a_final_job_as_it_is",
    )

    def publish(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            known = self.entries.get(job.id)
            if known is not None:
                self.lift(known)
                self.forget(known)
            self.admit(job, self.now_ms())


class Misdated(Fault):
    """Reckons due times by the clock of the client."""

    caught_by = ("test_times_are_the_stores_whatever_the_clients_clock_says",)

    def admit(self, job: Job, now_ms: int) -> None:
        super().admit(job, time.time_ns() // 1_000_000)


class Unordered(Fault):
    """Orders by id instead of by the store's sequence."""

    caught_by = (
        "test_jobs_are_claimed_in_the_order_of_publishing",
        "test_a_thousand_jobs_go_in_one_batch_and_keep_their_order",
    )

    def add(self, job: Job, now_ms: int) -> Entry:
        entry = super().add(job, now_ms)
        del self._by_seq[entry.seq]
        entry.seq = int.from_bytes(job.id.encode(), "big")
        self._by_seq[entry.seq] = entry
        return entry


class Pruning(Fault):
    """Counts live jobs as old records, and removes them."""

    caught_by = ("test_pruning_by_age_removes_old_final_records_only", "test_a_requeued_job_is_not_pruned")

    def prune(self, state: State, *, ended_before_ms: float, keep: float, limit: int) -> int:
        for entry in list(self.entries.values()):
            if entry.state != "running":
                self.lift(entry)
                self.forget(entry)
        return super().prune(state, ended_before_ms=ended_before_ms, keep=keep, limit=limit)


KEEPING: tuple[type[Fault], ...] = (Piecemeal, Overwriting, Misdated, Unordered, Pruning)

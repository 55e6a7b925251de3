"""Faults in telling those that wait for a job what its end means."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.brokers.memory.entry import Entry
from treadle.job import Job, State
from treadle.settlement import Settlement
from treadle.testing.broken_brokers.fault import Fault


class Counting(Fault):
    """Lets every settlement of a member count, also a repeated one: a counter per delivery, not per member."""

    caught_by = ("test_a_retry_and_a_repeated_settlement_tell_nobody",)

    def settle(self, settlement: Settlement) -> bool:
        entry = self.find(settlement.delivery)
        if entry is not None and entry.is_final:
            entry.told = 0
            self.tellings.owe(entry)
        return super().settle(settlement)


class Silent(Fault):
    """Tells nobody of jobs that end without having run: a chord whose member expires hangs."""

    caught_by = (
        "test_cancelling_a_step_ends_what_follows",
        "test_an_expired_step_ends_what_follows",
        "test_purging_a_queue_lets_workflows_end",
    )

    def put_ended(self, entry: Entry, state: State, reason: str = "") -> None:
        if state == "cancelled":
            entry.told = len(entry.edges)
        super().put_ended(entry, state, reason)


class Successful(Fault):
    """Tells only of success: what follows a failure waits for ever."""

    caught_by = (
        "test_what_follows_a_failure_ends_skipped_with_its_error",
        "test_a_join_of_ends_waits_for_failures_too",
        "test_the_death_of_a_child_ends_what_follows_only_with_the_job",
    )

    def put_ended(self, entry: Entry, state: State, reason: str = "") -> None:
        if state != "succeeded":
            entry.told = len(entry.edges)
        super().put_ended(entry, state, reason)


class Estranging(Fault):
    """Stores nothing of jobs that it knows: a new workflow with one of them in it waits for it for ever."""

    caught_by = ("test_a_known_job_counts_for_what_it_leads_to_for_the_first_time",)

    def publish(self, jobs: Sequence[Job]) -> None:
        super().publish([job for job in jobs if job.id not in self.entries])


class Late(Fault):
    """Tells in another step than the one that ends the source: a crash between the two leaves a chord hanging."""

    caught_by = ("test_what_became_free_may_be_claimed_in_the_same_round_trip",)

    def put_ended(self, entry: Entry, state: State, reason: str = "") -> None:
        owed, entry.edges = entry.edges, ()
        super().put_ended(entry, state, reason)
        entry.edges = owed


class Forgetful(Fault):
    """Removes records that others still ask for."""

    caught_by = (
        "test_what_somebody_waits_for_is_kept",
        "test_members_are_kept_until_what_follows_their_join_has_ended",
    )

    def prune(self, state: State, *, ended_before_ms: float, keep: float, limit: int) -> int:
        edges = {entry.id: entry.edges for entry in self.entries.values()}
        for entry in self.entries.values():
            entry.edges = ()
        removed = super().prune(state, ended_before_ms=ended_before_ms, keep=keep, limit=limit)
        for entry in self.entries.values():
            entry.edges = edges[entry.id]
        return removed


class Patient(Fault):
    """Waits for a producer that is gone: its gate never runs out."""

    caught_by = ("test_a_gate_that_nobody_opens_fails_with_its_payload",)

    def expire_gates(self, limit: int) -> None:
        """Do nothing."""


class Deaf(Fault):
    """Does not count sources that had ended before somebody waited for them."""

    caught_by = ("test_a_source_that_has_ended_counts_at_once", "test_a_source_that_has_failed_counts_at_once")

    def admit(self, job: Job, now_ms: int) -> None:
        super().admit(job._replace(after=tuple(each for each in job.after if not self._has_ended(each.source))), now_ms)

    def _has_ended(self, id: str) -> bool:
        return id in self.entries and self.entries[id].is_final


TELLING: tuple[type[Fault], ...] = (Counting, Silent, Successful, Estranging, Late, Forgetful, Patient, Deaf)

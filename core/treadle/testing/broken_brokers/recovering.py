"""Faults in leases and in what becomes of a dead child's jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from treadle.brokers.memory.death import Death, Role
from treadle.brokers.memory.entry import Entry
from treadle.brokers.memory.lease import Lease, Leases
from treadle.testing.broken_brokers.fault import Fault

_Clock = Callable[[], int]


class Undead(Fault):
    """Lets a lease that was taken away claim on."""

    caught_by = (
        "test_a_dead_childs_lease_claims_no_more",
        "test_claiming_without_a_lease_is_refused",
        "test_a_lost_lease_claims_nothing_while_it_settles",
        "test_a_reaped_lease_is_never_revived",
    )

    def __init__(self, clock_ms: _Clock) -> None:
        super().__init__(clock_ms)
        self.leases = _AlwaysOpen()


class Reviving(Fault):
    """Renewing a lease that was taken away opens it again."""

    caught_by = (
        "test_renewing_does_not_revive_a_closed_lease",
        "test_a_reaped_lease_is_never_revived",
        "test_renewing_answers_the_leases_that_are_gone",
    )

    def __init__(self, clock_ms: _Clock) -> None:
        super().__init__(clock_ms)
        self.leases = _Reopening()


class Impatient(Fault):
    """Takes jobs from leases that were renewed, judging by when they were opened."""

    caught_by = (
        "test_a_renewed_lease_outlives_its_first_term",
        "test_an_overdue_lease_that_was_not_reaped_can_be_renewed",
        "test_a_renewed_lease_keeps_its_jobs_when_another_is_reaped",
    )

    def __init__(self, clock_ms: _Clock) -> None:
        super().__init__(clock_ms)
        self.leases = _OnceOnly()


class Hasty(Fault):
    """Takes everybody's jobs right after an outage in which nobody could renew."""

    caught_by = ("test_after_an_outage_nothing_is_recovered_for_one_lease_period",)

    def __init__(self, clock_ms: _Clock) -> None:
        super().__init__(clock_ms)
        self.leases = _Unforgiving()


class Unjust(Fault):
    """Charges every job that a dead child held, also those that only waited there."""

    caught_by = ("test_the_guilty_are_charged_and_the_innocent_are_not",)

    def give_back(self, entry: Entry, death: Death, role: Role) -> None:
        super().give_back(entry, death, "guilty")


class Lenient(Fault):
    """Charges nobody, so that a job which kills its worker does so for ever."""

    caught_by = (
        "test_the_guilty_are_charged_and_the_innocent_are_not",
        "test_a_job_gets_a_verdict_after_so_many_crashes",
        "test_an_alone_suspect_whose_lease_runs_out_is_charged_a_crash",
    )

    def give_back(self, entry: Entry, death: Death, role: Role) -> None:
        super().give_back(entry, death, "innocent")


class Persistent(Fault):
    """Runs again what must not be run again, because it may have started."""

    caught_by = (
        "test_a_job_not_to_be_redelivered_gets_a_verdict_when_it_may_have_started",
        "test_suspects_not_to_be_redelivered_get_a_verdict",
        "test_a_job_not_to_be_redelivered_gets_a_verdict_when_its_lease_runs_out",
    )

    def give_back(self, entry: Entry, death: Death, role: Role) -> None:
        entry.redeliver = True
        super().give_back(entry, death, role)


class Boundless(Fault):
    """Recovers all at once, however much it is."""

    caught_by = ("test_recovery_is_bounded_and_goes_on_at_the_next_call",)

    def recover(self, limit: int, death: Death) -> list[str]:
        return super().recover(limit * 1000, death)


class _AlwaysOpen(Leases):
    def of(self, lease_id: str) -> Lease:
        lease = self.find(lease_id)
        if lease is None:
            lease = self._leases[lease_id] = Lease(lease_id, 0)
        return lease


class _Reopening(Leases):
    def renew(self, lease_ids: Iterable[str], ttl_ms: int, now_ms: int) -> set[str]:
        for lease_id in lease_ids:
            self._closed.discard(lease_id)
            self.open(lease_id, ttl_ms, now_ms)
        return set()


class _OnceOnly(Leases):
    def renew(self, lease_ids: Iterable[str], ttl_ms: int, now_ms: int) -> set[str]:
        terms = {lease.id: lease.expires_ms for lease in self._leases.values()}
        gone = super().renew(lease_ids, ttl_ms, now_ms)
        for lease in self._leases.values():
            lease.expires_ms = terms[lease.id]
        return gone


class _Unforgiving(Leases):
    def _feel_pulse(self, ttl_ms: int, now_ms: int) -> None:
        return


RECOVERING: tuple[type[Fault], ...] = (
    Undead,
    Reviving,
    Impatient,
    Hasty,
    Unjust,
    Lenient,
    Persistent,
    Boundless,
)

"""Faults in settling, retrying and requeueing."""

from __future__ import annotations

from treadle.brokers.memory.death import Death, Role
from treadle.brokers.memory.entry import Entry
from treadle.job import Delivery, Job, State
from treadle.settlement import Complete, Retry, Settlement
from treadle.testing.broken_brokers.fault import Fault


class Unfenced(Fault):
    """Settles whatever is running, whoever holds it."""

    caught_by = (
        "test_a_late_settlement_changes_nothing_and_is_counted",
        "test_a_late_retry_changes_nothing",
        "test_a_late_settlement_does_not_reach_a_new_job_of_the_same_id",
    )

    def find(self, delivery: Delivery) -> Entry | None:
        return self.entries.get(delivery.id)

    def is_held(self, entry: Entry, delivery: Delivery) -> bool:
        return entry.state == "running"


class Copying(Fault):
    """Retries as two steps, publish a copy and then acknowledge: between them there are two jobs."""

    caught_by = ("test_a_retry_keeps_one_job_under_one_id", "test_a_late_retry_changes_nothing")

    def settle(self, settlement: Settlement) -> bool:
        if not isinstance(settlement, Retry):
            return super().settle(settlement)
        job, copy = settlement.delivery, len(self.entries)
        self.publish([Job(f"{job.id}~{copy}", job.task, job.payload, job.queue, job.priority, job.options)])
        return super().settle(Complete(job))


class Forgiving(Fault):
    """Takes back a job from a dead child without making its receipt worthless, and accepts it later."""

    caught_by = (
        "test_a_settlement_after_the_job_was_given_back_is_refused",
        "test_giving_back_raises_the_receipt",
        "test_jobs_of_a_lease_that_ran_out_are_given_back_as_suspects",
    )

    def give_back(self, entry: Entry, death: Death, role: Role) -> None:
        entry.receipt -= 1
        super().give_back(entry, death, role)

    def is_held(self, entry: Entry, delivery: Delivery) -> bool:
        return entry.state in ("running", "queued") and entry.receipt == delivery.receipt


class Forgetful(Fault):
    """Does not know a repeated settlement from a stale one."""

    caught_by = (
        "test_a_repeated_settlement_answers_ok_and_changes_nothing",
        "test_a_repetition_by_another_connection_answers_ok",
    )

    def is_repetition(self, entry: Entry, delivery: Delivery) -> bool:
        return False


class Resetting(Fault):
    """Begins the receipts anew when a job is queued again."""

    caught_by = (
        "test_every_claim_raises_the_receipt",
        "test_release_and_retry_never_reset_the_receipt",
        "test_requeue_never_resets_the_receipt",
    )

    def put_queued(self, entry: Entry) -> None:
        entry.receipt = 0
        super().put_queued(entry)


class Hindmost(Fault):
    """Sends a released job to the end of its queue."""

    caught_by = ("test_release_puts_a_job_back_at_its_old_place", "test_release_of_several_keeps_their_order")

    def release(self, entry: Entry, *, suspect: bool) -> None:
        del self._by_seq[entry.seq]
        entry.seq = next(self._next_seq)
        self._by_seq[entry.seq] = entry
        super().release(entry, suspect=suspect)


class Uncharged(Fault):
    """Does not count retries as attempts, so that a failing job goes round for ever."""

    caught_by = ("test_a_retry_is_one_charged_attempt", "test_a_retry_with_delay_is_scheduled_until_it_is_due")

    def retry(self, entry: Entry, retry: Retry) -> None:
        entry.attempt -= 1
        super().retry(entry, retry)


class Stubborn(Fault):
    """Forgets a wish to cancel when the job is retried or released."""

    caught_by = (
        "test_a_retry_of_a_job_that_was_cancelled_meanwhile_ends_it",
        "test_a_release_of_a_job_that_was_cancelled_meanwhile_ends_it",
        "test_the_consumer_hears_of_a_cancelled_running_job_once",
    )

    def cancel(self, entry: Entry, *, terminate: bool) -> State:
        return entry.state if entry.state == "running" else super().cancel(entry, terminate=terminate)


class Halfway(Fault):
    """Settles one by one, and stops at the first that is refused."""

    caught_by = ("test_one_stale_settlement_does_not_stop_the_others_of_its_batch",)

    def settle(self, settlement: Settlement) -> bool:
        return self.stale_acks == 0 and super().settle(settlement)


GIVING_BACK: tuple[type[Fault], ...] = (
    Unfenced,
    Copying,
    Forgiving,
    Forgetful,
    Resetting,
    Hindmost,
    Uncharged,
    Stubborn,
    Halfway,
)

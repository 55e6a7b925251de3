"""Faults in claiming and waiting."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.brokers.memory.entry import Entry
from treadle.brokers.memory.lease import Lease
from treadle.brokers.memory.line import Line
from treadle.job import Delivery
from treadle.testing.broken_brokers.fault import Fault


class Redelivering(Fault):
    """Reads the head of the queue without taking it away: two claims get one job."""

    caught_by = ("test_a_running_job_is_not_claimed_again", "test_many_claimers_never_get_one_job_twice")

    def take(self, entry: Entry, lease: Lease, now_ms: int) -> Delivery:
        delivery = super().take(entry, lease, now_ms)
        self.lift(entry)
        self.put_queued(entry)
        return delivery


class Counting(Fault):
    """Counts an attempt for every delivery, whether or not it was run."""

    caught_by = ("test_a_delivery_is_no_attempt", "test_release_puts_a_job_back_uncharged")

    def take(self, entry: Entry, lease: Lease, now_ms: int) -> Delivery:
        entry.attempt += 1
        return super().take(entry, lease, now_ms)


class Inverted(Fault):
    """Takes a smaller priority number first."""

    caught_by = ("test_a_larger_priority_is_claimed_first",)

    def first_startable(self, line: Line, now_ms: int) -> Entry | None:
        waiting = [entry for entry in self.entries.values() if self._stands_in(entry, line)]
        return min(waiting, key=lambda entry: (entry.priority, entry.seq), default=None)

    def _stands_in(self, entry: Entry, line: Line) -> bool:
        return entry.state == "queued" and self.queue(entry.queue).line_of(entry) is line


class Stale(Fault):
    """Runs jobs that are past their expiry."""

    caught_by = (
        "test_an_expired_job_ends_cancelled_instead_of_being_claimed",
        "test_a_job_that_expired_while_it_was_delayed_is_not_claimed",
    )

    def is_expired(self, entry: Entry, now_ms: int) -> bool:
        return False


class Restless(Fault):
    """Claims from paused queues."""

    caught_by = ("test_a_paused_queue_is_claimed_by_nobody", "test_a_running_job_of_a_paused_queue_may_end")

    def may_claim(self, name: str) -> bool:
        return name in self.queues


class Sociable(Fault):
    """Gives out suspects together with other jobs."""

    caught_by = (
        "test_a_suspect_is_claimed_alone_and_before_all_others",
        "test_a_suspect_is_not_given_to_a_child_that_is_busy",
        "test_two_suspects_are_claimed_one_by_one",
    )

    def claim_ordinary(self, lease: Lease, names: Sequence[str], limit: int, now_ms: int) -> list[Delivery]:
        deliveries = super().claim_ordinary(lease, names, limit, now_ms)
        for name in names:
            while entry := self.first_startable(self.queues[name].suspects, now_ms):
                deliveries.append(self.take(entry, lease, now_ms))
        return deliveries

    def claim_suspect(
        self, lease: Lease, names: Sequence[str], now_ms: int, *, idle: bool
    ) -> tuple[list[Delivery], bool]:
        return [], False


class Greedy(Fault):
    """Lets the first child take everything."""

    caught_by = ("test_a_few_jobs_are_shared_out_among_children",)

    def share(self, queued: int, children: int) -> int:
        return queued


class Deaf(Fault):
    """Loses wake-ups: who waits in a claim finds new work only when the wait is over."""

    caught_by = (
        "test_a_waiting_claim_is_woken_by_a_publish",
        "test_a_waiting_claim_is_woken_by_a_release",
        "test_a_waiting_claim_is_woken_by_a_resume",
    )

    def ring_claimers(self, queue: str) -> None:
        self._claimers.pop(queue, None)


class Dozing(Fault):
    """Forgets, while it waits, that a delayed job will be due."""

    caught_by = ("test_a_waiting_claim_is_woken_by_a_delayed_job_that_becomes_due",)

    def next_due_ms(self) -> int | None:
        due_ms = super().next_due_ms()
        return due_ms if due_ms is not None and due_ms <= self.now_ms() else None

    def skip(self, ms: int) -> None:
        self._skipped_ms += ms


class Unwatchful(Fault):
    """Does not tell those who wait for a result that it is there."""

    caught_by = ("test_a_watch_wakes_when_a_job_ends", "test_a_watch_wakes_when_a_job_is_cancelled")

    def _ring_watchers(self, job_id: str) -> None:
        return


CLAIMING: tuple[type[Fault], ...] = (
    Redelivering,
    Counting,
    Inverted,
    Stale,
    Restless,
    Sociable,
    Greedy,
    Deaf,
    Dozing,
    Unwatchful,
)

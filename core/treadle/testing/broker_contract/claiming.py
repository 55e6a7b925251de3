"""What claiming promises."""

from __future__ import annotations

import pytest

from treadle.exceptions import LeaseLost
from treadle.settlement import Complete, Release
from treadle.testing.broker_contract.stage import Stage, job


class ClaimCases:
    """Claim: an atomic move to running, in order, shared out, each time under a higher receipt."""

    def test_a_claimed_job_is_running_under_the_lease(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        record = stage.record("a")
        assert (record.state, record.lease, record.receipt) == ("running", child.lease, delivery.receipt)
        assert record.started_ms >= record.created_ms > 0

    def test_a_delivery_carries_the_job(self, stage: Stage) -> None:
        stage.publish("a", priority=3, options=b"{}")
        delivery = stage.child().take_one()
        assert delivery[:6] == ("a", "app.task", b"json:[[1],{}]", "q", 3, b"{}")
        assert (delivery.attempt, delivery.crashes, delivery.suspect, delivery.verdict) == (0, 0, False, b"")
        assert delivery.receipt > 0

    def test_an_empty_queue_gives_nothing(self, stage: Stage) -> None:
        claimed = stage.child().consumer.claim(10, idle=True)
        assert (claimed.deliveries, claimed.suspects_wait) == ([], False)

    def test_a_claim_of_none_takes_none(self, stage: Stage) -> None:
        stage.publish("a")
        assert stage.child().take(0) == []
        assert stage.state("a") == "queued"

    def test_no_more_than_the_limit_are_taken(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        assert stage.child().take_ids(2) == ["a", "b"]
        assert stage.state("c") == "queued"

    def test_a_running_job_is_not_claimed_again(self, stage: Stage) -> None:
        stage.publish("a")
        first, second = stage.child(), stage.child(broker=stage.other)
        first.take_one()
        assert first.take_ids() == []
        assert second.take_ids() == []

    def test_jobs_are_claimed_in_the_order_of_publishing(self, stage: Stage) -> None:
        for job_id in ("z", "m", "a"):
            stage.publish(job_id)
        assert stage.child().take_ids() == ["z", "m", "a"]

    def test_a_larger_priority_is_claimed_first(self, stage: Stage) -> None:
        priorities = {"low": -100, "usual": 0, "high": 100, "one": 1, "minus": -1}
        stage.broker.publish([job(job_id, priority=priority) for job_id, priority in priorities.items()])
        assert stage.child().take_ids() == ["high", "one", "usual", "minus", "low"]

    def test_within_a_priority_the_order_of_publishing_holds(self, stage: Stage) -> None:
        stage.broker.publish([job(f"{number}", priority=number % 2) for number in range(6)])
        child = stage.child()
        assert [child.take_one().id for _ in range(6)] == ["1", "3", "5", "0", "2", "4"]

    def test_a_delayed_job_that_is_due_stands_at_its_old_place(self, stage: Stage) -> None:
        stage.publish("first", delay_ms=100)
        stage.publish("second")
        stage.pass_time(0.3)
        assert stage.child().take_ids() == ["first", "second"]

    def test_only_the_queues_of_the_consumer_are_claimed(self, stage: Stage) -> None:
        stage.publish("a", queue="mine")
        stage.publish("b", queue="theirs")
        child = stage.child("mine")
        assert child.take_ids() == ["a"]
        assert child.take_ids() == []

    def test_the_order_of_queues_rotates(self, stage: Stage) -> None:
        stage.publish("a1", "a2", "a3", queue="a")
        stage.publish("b1", "b2", "b3", queue="b")
        child = stage.child("a", "b")
        queues = [child.take_one().queue for _ in range(4)]
        assert set(queues[:2]) == set(queues[2:]) == {"a", "b"}

    def test_a_batch_may_come_from_several_queues(self, stage: Stage) -> None:
        stage.publish("a", queue="qa")
        stage.publish("b", queue="qb")
        assert sorted(stage.child("qa", "qb").take_ids()) == ["a", "b"]

    def test_a_few_jobs_are_shared_out_among_children(self, stage: Stage) -> None:
        children = [stage.child() for _ in range(3)]
        stage.publish("a", "b", "c", "d")
        assert len(children[0].take(10)) == 2
        assert len(children[1].take(10)) == 1
        assert len(children[2].take(10)) == 1

    def test_a_lone_child_may_take_all(self, stage: Stage) -> None:
        stage.publish(*"abcdefg")
        assert len(stage.child().take(10)) == 7

    def test_every_claim_raises_the_receipt(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        receipts: list[int] = []
        for _ in range(3):
            delivery = child.take_one()
            receipts.append(delivery.receipt)
            child.settle(Release(delivery))
        assert receipts == sorted(set(receipts))

    def test_an_expired_job_ends_cancelled_instead_of_being_claimed(self, stage: Stage) -> None:
        stage.publish("a", ttl_ms=50)
        stage.publish("b")
        stage.pass_time(0.2)
        child = stage.child()
        assert child.take_ids() == ["b"]
        record = stage.record("a")
        assert (record.state, record.reason, record.attempt) == ("cancelled", "expired", 0)

    def test_a_job_that_expired_while_it_was_delayed_is_not_claimed(self, stage: Stage) -> None:
        stage.publish("a", ttl_ms=50, delay_ms=100)
        stage.pass_time(0.3)
        assert stage.child().take_ids() == []
        assert stage.record("a").reason == "expired"

    def test_many_expired_jobs_do_not_hide_one_that_is_not(self, stage: Stage) -> None:
        stage.publish(*(f"{number}" for number in range(50)), ttl_ms=50)
        stage.publish("good", priority=-1)
        stage.pass_time(0.2)
        child = stage.child()
        assert stage.until(lambda: child.take_ids(1)) == ["good"]

    def test_a_job_is_not_expired_before_its_time(self, stage: Stage) -> None:
        stage.publish("a", ttl_ms=60_000)
        child = stage.child()
        assert child.settle(Complete(child.take_one())).refused == []
        assert stage.state("a") == "succeeded"

    def test_claiming_without_a_lease_is_refused(self, stage: Stage) -> None:
        stage.publish("a")
        consumer = stage.broker.consumer("never/opened", ["q"])
        with pytest.raises(LeaseLost):
            consumer.claim(1, idle=True)
        consumer.close()
        assert stage.state("a") == "queued"

    def test_a_suspect_is_claimed_alone_and_before_all_others(self, stage: Stage) -> None:
        stage.suspect("doubtful")
        stage.publish("urgent", priority=100)
        child = stage.child()
        delivery = child.take_one(10)
        assert (delivery.id, delivery.suspect) == ("doubtful", True)

    def test_a_suspect_is_not_given_to_a_child_that_is_busy(self, stage: Stage) -> None:
        stage.suspect("doubtful")
        stage.publish("plain")
        claimed = stage.child().consumer.claim(10, idle=False)
        assert claimed.suspects_wait
        assert "doubtful" not in [delivery.id for delivery in claimed.deliveries]

    def test_two_suspects_are_claimed_one_by_one(self, stage: Stage) -> None:
        stage.suspect("a", "b")
        child = stage.child()
        first = child.take_one(10)
        child.settle(Complete(first))
        second = child.take_one(10)
        assert {first.id, second.id} == {"a", "b"}

    def test_a_claim_that_finds_no_suspects_says_so(self, stage: Stage) -> None:
        stage.suspect("doubtful")
        child = stage.child()
        child.take_one()
        stage.publish("plain")
        claimed = child.consumer.claim(1, idle=False)
        assert ([each.id for each in claimed.deliveries], claimed.suspects_wait) == (["plain"], False)

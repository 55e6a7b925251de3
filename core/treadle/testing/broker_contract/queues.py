"""What pausing, purging and moving queues promise."""

from __future__ import annotations

from treadle.interfaces import QueueCounts
from treadle.settlement import Complete
from treadle.testing.broker_contract.stage import Stage

_HOUR_MS = 3_600_000


class QueueCases:
    """Queues: paused for everybody, purged and moved without touching what runs."""

    def test_a_paused_queue_is_claimed_by_nobody(self, stage: Stage) -> None:
        child = stage.child()
        stage.other.pause("q")
        stage.publish("a")
        assert child.take_ids() == []
        assert stage.state("a") == "queued"
        assert stage.broker.counts().queues["q"].paused

    def test_a_resumed_queue_is_claimed_again(self, stage: Stage) -> None:
        stage.broker.pause("q")
        stage.publish("a")
        stage.broker.resume("q")
        assert stage.child().take_ids() == ["a"]
        assert not stage.broker.counts().queues["q"].paused

    def test_pausing_one_queue_leaves_the_others(self, stage: Stage) -> None:
        stage.publish("a", queue="paused")
        stage.publish("b", queue="open")
        stage.broker.pause("paused")
        child = stage.child("paused", "open")
        assert child.take_ids() + child.take_ids() == ["b"]

    def test_a_running_job_of_a_paused_queue_may_end(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        delivery = child.take_one()
        stage.broker.pause("q")
        settled = child.consumer.settle([Complete(delivery)], claim_next=1)
        assert (settled.refused, settled.claimed.deliveries) == ([], [])
        assert stage.states("ab") == ["succeeded", "queued"]

    def test_a_suspect_of_a_paused_queue_holds_nobody_up(self, stage: Stage) -> None:
        stage.suspect("doubtful")
        stage.broker.pause("q")
        stage.publish("plain", queue="open")
        child = stage.child("q", "open")
        claimed = child.consumer.claim(1, idle=False)
        assert ([each.id for each in claimed.deliveries], claimed.suspects_wait) == (["plain"], False)

    def test_pausing_and_resuming_may_be_repeated(self, stage: Stage) -> None:
        for _ in range(2):
            stage.broker.pause("q")
        for _ in range(2):
            stage.broker.resume("q")
        stage.publish("a")
        assert stage.child().take_ids() == ["a"]

    def test_purging_removes_waiting_jobs_only(self, stage: Stage) -> None:
        stage.publish("done", "running", "queued")
        stage.publish("scheduled", delay_ms=_HOUR_MS)
        stage.publish("elsewhere", queue="other")
        child = stage.child()
        first, second = child.take(2)
        child.settle(Complete(first))
        assert stage.broker.purge("q") == 2
        ids = ["done", "running", "queued", "scheduled", "elsewhere"]
        assert stage.states(ids) == ["succeeded", "running", "unknown", "unknown", "queued"]
        assert child.settle(Complete(second)).refused == []
        assert child.take_ids() == []

    def test_purging_removes_more_than_one_chunk(self, stage: Stage) -> None:
        stage.publish(*(f"{number}" for number in range(1200)))
        assert stage.broker.purge("q") == 1200
        assert stage.broker.purge("q") == 0
        assert stage.broker.counts().queues.get("q", QueueCounts()).queued == 0

    def test_moving_takes_waiting_jobs_to_the_other_queue(self, stage: Stage) -> None:
        stage.publish("running", "queued")
        stage.publish("scheduled", delay_ms=_HOUR_MS)
        child = stage.child()
        child.take_one()
        assert stage.broker.move("q", "target") == 2
        records = [stage.record(each) for each in ("running", "queued", "scheduled")]
        assert [record.queue for record in records] == ["q", "target", "target"]
        assert [record.state for record in records] == ["running", "queued", "scheduled"]
        assert records[2].due_ms > 0
        assert child.take_ids() == []
        assert stage.child("target").take_ids() == ["queued"]

    def test_a_moved_job_keeps_its_priority_and_order(self, stage: Stage) -> None:
        stage.publish("a", "b")
        stage.publish("high", priority=5)
        stage.broker.move("q", "target")
        assert stage.child("target").take_ids() == ["high", "a", "b"]

    def test_a_moved_scheduled_job_comes_due_in_its_new_queue(self, stage: Stage) -> None:
        stage.publish("a", delay_ms=100)
        stage.broker.move("q", "target")
        child = stage.child("target")
        assert stage.until(child.take_ids) == ["a"]

    def test_moving_an_empty_queue_moves_nothing(self, stage: Stage) -> None:
        assert stage.broker.move("empty", "target") == 0
        assert stage.broker.purge("empty") == 0

"""What giving a job back for another attempt promises."""

from __future__ import annotations

from treadle.interfaces import Filter
from treadle.settlement import Complete, Fail, Release, Retry
from treadle.testing.broker_contract.stage import Stage


class RetryCases:
    """Retry, release and requeue: one job under one id, whose receipt goes on."""

    def test_a_retry_keeps_one_job_under_one_id(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Retry(child.take_one(), 0, b"json:why"))
        assert [record.id for record in stage.broker.query(Filter()).records] == ["a"]
        assert stage.record("a").error == b"json:why"
        assert stage.broker.counts().final == {} or not any(stage.broker.counts().final.values())
        assert child.take_ids() == ["a"]
        assert child.take_ids() == []

    def test_a_retry_is_one_charged_attempt(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        attempts: list[int] = []
        for _ in range(3):
            delivery = child.take_one()
            attempts.append(delivery.attempt)
            child.settle(Retry(delivery, 0))
        assert attempts == [0, 1, 2]
        assert stage.record("a").attempt == 3

    def test_a_delivery_is_no_attempt(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        for _ in range(3):
            child.settle(Release(child.take_one()))
        assert child.take_one().attempt == 0
        assert stage.record("a").attempt == 0

    def test_a_late_retry_changes_nothing(self, stage: Stage) -> None:
        stage.publish("a")
        late, current = stage.child(), stage.child()
        stale = late.take_one()
        stage.kill(late)
        current.take_one()
        assert late.settle(Retry(stale, 0)).refused == ["a"]
        assert stage.state("a") == "running"
        assert len(stage.broker.query(Filter()).records) == 1
        assert current.take_ids() == []

    def test_a_retry_without_delay_stands_at_its_old_place(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        child.settle(Retry(child.take_one(), 0))
        assert child.take_ids() == ["a", "b"]

    def test_a_retry_with_delay_is_scheduled_until_it_is_due(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Retry(child.take_one(), 200))
        record = stage.record("a")
        assert (record.state, record.attempt) == ("scheduled", 1)
        assert record.due_ms > record.created_ms
        assert child.take_ids() == []
        assert stage.until(child.take_ids) == ["a"]

    def test_a_retry_may_change_what_the_job_is(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child("q", "q2")
        retry = Retry(child.take_one(), 0, payload=b"json:new", options=b'{"o":1}', queue="q2", priority=9)
        child.settle(retry)
        delivery = child.take_one()
        assert (delivery.payload, delivery.options) == (b"json:new", b'{"o":1}')
        assert (delivery.queue, delivery.priority) == ("q2", 9)
        assert stage.record("a").queue == "q2"

    def test_a_retry_leaves_what_it_does_not_name(self, stage: Stage) -> None:
        stage.publish("a", options=b"{}", priority=4)
        child = stage.child()
        child.settle(Retry(child.take_one(), 0))
        delivery = child.take_one()
        assert delivery[:6] == ("a", "app.task", b"json:[[1],{}]", "q", 4, b"{}")

    def test_a_repeated_retry_is_charged_once(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        retry = Retry(child.take_one(), 0)
        child.settle(retry)
        assert child.settle(retry).refused == []
        assert stage.record("a").attempt == 1

    def test_release_and_retry_never_reset_the_receipt(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        first = child.take_one()
        child.settle(Release(first))
        second = child.take_one()
        child.settle(Retry(second, 0))
        third = child.take_one()
        assert first.receipt < second.receipt < third.receipt

    def test_requeue_never_resets_the_receipt(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        first = child.take_one()
        child.settle(Fail(first, "error"))
        stage.broker.requeue(["a"])
        second = child.take_one()
        assert second.receipt > first.receipt
        stage.kill(child)
        assert child.settle(Complete(first._replace(receipt=second.receipt))).refused == ["a"]

    def test_requeue_runs_a_final_job_from_the_beginning(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Retry(child.take_one(), 0))
        child.settle(Fail(child.take_one(), "exhausted", b"json:x"))
        assert stage.broker.requeue(["a"]) == ["a"]
        record = stage.record("a")
        assert (record.state, record.reason, record.attempt, record.crashes) == ("queued", "", 0, 0)
        assert (record.payload, record.finished_ms) == (b"json:[[1],{}]", 0)
        assert child.take_one().attempt == 0

    def test_requeue_takes_succeeded_and_cancelled_jobs_too(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        child.settle(Complete(child.take_one(), b"json:1"))
        stage.broker.cancel(["b"])
        assert sorted(stage.broker.requeue(["a", "b"])) == ["a", "b"]
        assert stage.record("a").result == b""
        assert child.take_ids() == ["a", "b"]

    def test_requeue_queues_a_scheduled_job_now(self, stage: Stage) -> None:
        stage.publish("a", delay_ms=3_600_000)
        assert stage.broker.requeue(["a"]) == ["a"]
        assert (stage.record("a").state, stage.record("a").due_ms) == ("queued", 0)
        assert stage.child().take_ids() == ["a"]

    def test_requeue_leaves_queued_running_and_unknown_jobs(self, stage: Stage) -> None:
        stage.publish("running", "queued")
        stage.child().take_one()
        assert stage.broker.requeue(["running", "queued", "unknown"]) == []
        assert stage.states(["running", "queued", "unknown"]) == ["running", "queued", "unknown"]

    def test_requeue_of_nothing_does_nothing(self, stage: Stage) -> None:
        assert stage.broker.requeue([]) == []

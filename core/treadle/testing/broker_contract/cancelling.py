"""What cancelling and deleting promise."""

from __future__ import annotations

import pytest

from treadle.settlement import Complete, Fail, Release, Retry
from treadle.testing.broker_contract.stage import Stage


class CancelCases:
    """Cancel and delete: at once where nothing runs, by request where something does."""

    @pytest.mark.parametrize("delay_ms", [0, 3_600_000])
    def test_a_waiting_job_is_cancelled_at_once(self, stage: Stage, delay_ms: int) -> None:
        stage.publish("a", delay_ms=delay_ms)
        assert stage.broker.cancel(["a"]) == {"a": "cancelled"}
        record = stage.record("a")
        assert (record.state, record.reason, record.due_ms) == ("cancelled", "revoked", 0)
        assert record.finished_ms >= record.created_ms
        assert stage.child().take_ids() == []

    def test_a_cancelled_delayed_job_does_not_come_due(self, stage: Stage) -> None:
        stage.publish("a", delay_ms=50)
        stage.broker.cancel(["a"])
        stage.pass_time(0.2)
        assert stage.child().take_ids() == []
        assert stage.state("a") == "cancelled"

    def test_a_running_job_goes_on_and_may_succeed(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        assert stage.broker.cancel(["a"]) == {"a": "running"}
        assert child.settle(Complete(delivery, b"json:1")).refused == []
        assert stage.state("a") == "succeeded"

    def test_the_consumer_hears_of_a_cancelled_running_job_once(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child, other = stage.child(), stage.child()
        delivery = child.take_one()
        other.take_one()
        stage.other.cancel(["a"], terminate=True)
        assert stage.until(child.consumer.cancel_requests) == [("a", delivery.receipt, True)]
        assert child.consumer.cancel_requests() == []
        assert other.consumer.cancel_requests() == []

    def test_a_request_without_terminate_says_so(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        stage.broker.cancel(["a"])
        assert stage.until(child.consumer.cancel_requests) == [("a", delivery.receipt, False)]
        assert stage.record("a").cancelling == "revoke"

    def test_a_request_to_terminate_may_follow_one_to_revoke(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        stage.broker.cancel(["a"])
        stage.until(child.consumer.cancel_requests)
        stage.broker.cancel(["a"], terminate=True)
        assert stage.until(child.consumer.cancel_requests) == [("a", delivery.receipt, True)]
        assert stage.record("a").cancelling == "terminate"

    def test_a_retry_of_a_job_that_was_cancelled_meanwhile_ends_it(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        stage.broker.cancel(["a"])
        assert child.settle(Retry(delivery, 0)).refused == []
        assert (stage.state("a"), stage.record("a").reason) == ("cancelled", "revoked")
        assert child.take_ids() == []

    def test_a_release_of_a_job_that_was_cancelled_meanwhile_ends_it(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        stage.broker.cancel(["a"])
        assert child.settle(Release(delivery)).refused == []
        assert (stage.state("a"), stage.record("a").reason) == ("cancelled", "revoked")
        assert child.take_ids() == []

    def test_a_job_that_was_cancelled_ends_when_its_child_dies(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.take_one()
        stage.broker.cancel(["a"])
        stage.kill(child)
        assert (stage.state("a"), stage.record("a").reason) == ("cancelled", "revoked")
        assert stage.child().take_ids() == []

    def test_cancelling_a_final_job_leaves_it(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        first, second = child.take(2)
        child.settle(Complete(first, b"json:1"), Fail(second, "error"))
        before = stage.broker.get(["a", "b"])
        assert stage.broker.cancel(["a", "b"]) == {"a": "succeeded", "b": "failed"}
        assert stage.broker.get(["a", "b"]) == before

    def test_cancelling_answers_only_known_jobs(self, stage: Stage) -> None:
        stage.publish("a")
        assert stage.broker.cancel(["a", "unknown"]) == {"a": "cancelled"}
        assert stage.broker.cancel([]) == {}

    def test_a_requeued_job_has_forgotten_that_it_was_cancelled(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        stage.broker.cancel(["a"], terminate=True)
        child.settle(Fail(delivery, "error"))
        stage.broker.requeue(["a"])
        delivery = child.take_one()
        assert child.consumer.cancel_requests() == []
        child.settle(Retry(delivery, 0))
        assert stage.state("a") == "queued"

    def test_deleting_removes_what_does_not_run(self, stage: Stage) -> None:
        stage.publish("done", "running", "queued")
        stage.publish("scheduled", delay_ms=3_600_000)
        child = stage.child()
        first, _ = child.take(2)
        child.settle(Complete(first))
        ids = ["done", "running", "queued", "scheduled", "unknown"]
        gone = stage.broker.delete(ids)
        assert {"done", "queued", "scheduled"} <= set(gone)
        assert "running" not in gone
        assert stage.states(ids) == ["unknown", "running", "unknown", "unknown", "unknown"]
        assert child.take_ids() == []

    def test_deleting_nothing_does_nothing(self, stage: Stage) -> None:
        assert stage.broker.delete([]) == []

    def test_the_id_of_a_deleted_job_may_be_used_again(self, stage: Stage) -> None:
        stage.publish("a")
        stage.broker.delete(["a"])
        stage.publish("a", payload=b"json:again")
        assert stage.child().take_one().payload == b"json:again"

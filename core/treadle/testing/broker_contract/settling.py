"""What settling promises."""

from __future__ import annotations

from treadle.settlement import Cancel, Complete, Fail, Release, Retry
from treadle.testing.broker_contract.stage import Stage


class SettleCases:
    """Settle: once, by who holds the receipt, in one step with the next claim."""

    def test_complete_ends_a_job_with_its_result(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        assert child.settle(Complete(child.take_one(), b"json:42")).refused == []
        record = stage.record("a")
        assert (record.state, record.reason, record.result, record.attempt) == ("succeeded", "", b"json:42", 1)
        assert record.finished_ms >= record.started_ms

    def test_fail_ends_a_job_with_reason_and_error(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Fail(child.take_one(), "error", b"json:boom"))
        record = stage.record("a")
        assert (record.state, record.reason, record.error, record.attempt) == ("failed", "error", b"json:boom", 1)

    def test_cancel_ends_a_job_uncharged(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Cancel(child.take_one(), "revoked"))
        record = stage.record("a")
        assert (record.state, record.reason, record.attempt) == ("cancelled", "revoked", 0)

    def test_release_puts_a_job_back_uncharged(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Release(child.take_one()))
        record = stage.record("a")
        assert (record.state, record.attempt, record.crashes) == ("queued", 0, 0)
        assert child.take_one().attempt == 0

    def test_release_puts_a_job_back_at_its_old_place(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        child = stage.child()
        child.settle(Release(child.take_one()))
        assert child.take_ids() == ["a", "b", "c"]

    def test_release_of_several_keeps_their_order(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        child = stage.child()
        child.settle(*(Release(delivery) for delivery in reversed(child.take(2))))
        assert child.take_ids() == ["a", "b", "c"]

    def test_a_release_as_suspect_makes_the_job_run_alone(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        child.settle(*(Release(delivery, suspect=delivery.id == "b") for delivery in child.take(2)))
        delivery = child.take_one(10)
        assert (delivery.id, delivery.suspect) == ("b", True)

    def test_a_late_settlement_changes_nothing_and_is_counted(self, stage: Stage) -> None:
        stage.publish("a")
        late, current = stage.child(), stage.child(broker=stage.other)
        stale = late.take_one()
        stage.kill(late)
        held = current.take_one()
        before = stage.record("a")
        for settlement in (Complete(stale, b"json:late"), Fail(stale, "error"), Retry(stale, 0), Release(stale)):
            assert late.settle(settlement).refused == ["a"]
        assert late.settle(Cancel(stale, "revoked")).refused == ["a"]
        assert stage.record("a") == before
        assert stage.broker.counts().stale_acks == 5
        assert current.settle(Complete(held, b"json:good")).refused == []
        assert stage.record("a").result == b"json:good"

    def test_a_settlement_after_the_job_was_given_back_is_refused(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        stale = child.take_one()
        stage.kill(child)
        assert child.settle(Complete(stale)).refused == ["a"]
        assert stage.state("a") == "queued"
        assert stage.broker.counts().stale_acks == 1

    def test_a_settlement_with_an_older_receipt_of_the_same_child_is_refused(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        oldest = child.take_one()
        child.settle(Release(oldest))
        middle = child.take_one()
        child.settle(Release(middle))
        newest = child.take_one()
        assert child.settle(Fail(oldest._replace(receipt=oldest.receipt - 1), "error")).refused == ["a"]
        assert stage.state("a") == "running"
        assert child.settle(Complete(newest)).refused == []

    def test_a_repeated_settlement_answers_ok_and_changes_nothing(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        child = stage.child()
        done, failed, released = child.take(3)
        settlements = (Complete(done, b"json:1"), Fail(failed, "error", b"json:x"), Release(released))
        assert child.settle(*settlements).refused == []
        before = stage.broker.get(["a", "b", "c"])
        assert child.settle(*settlements).refused == []
        assert stage.broker.get(["a", "b", "c"]) == before
        assert stage.broker.counts().stale_acks == 0

    def test_a_repetition_by_another_connection_answers_ok(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        settlement = Complete(child.take_one())
        child.settle(settlement)
        again = stage.other.consumer(child.lease, ["q"])
        assert again.settle([settlement]).refused == []
        again.close()

    def test_one_stale_settlement_does_not_stop_the_others_of_its_batch(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        first, second = child.take(2)
        settled = child.settle(Complete(first._replace(receipt=first.receipt + 1)), Complete(second))
        assert settled.refused == ["a"]
        assert stage.states("ab") == ["running", "succeeded"]

    def test_settling_an_unknown_job_is_refused(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        child.settle(Complete(delivery))
        stage.broker.delete(["a"])
        assert child.settle(Complete(delivery)).refused == ["a"]
        assert stage.state("a") == "unknown"

    def test_a_late_settlement_does_not_reach_a_new_job_of_the_same_id(self, stage: Stage) -> None:
        stage.publish("a")
        late = stage.child()
        stale = late.take_one()
        stage.kill(late)
        assert stage.broker.delete(["a"]) == ["a"]
        stage.publish("a")
        child = stage.child()
        while child.take_one().receipt < stale.receipt:
            stage.kill(child)
            child = stage.child()
        assert late.settle(Complete(stale)).refused == ["a"]
        assert stage.state("a") == "running"

    def test_settling_nothing_does_nothing(self, stage: Stage) -> None:
        settled = stage.child().settle()
        assert (settled.refused, settled.claimed.deliveries) == ([], [])

    def test_settle_claims_the_next_jobs_in_the_same_call(self, stage: Stage) -> None:
        stage.publish("a", "b", "c", "d")
        child = stage.child()
        settled = child.consumer.settle([Complete(child.take_one())], claim_next=2)
        assert [delivery.id for delivery in settled.claimed.deliveries] == ["b", "c"]
        assert stage.states("abcd") == ["succeeded", "running", "running", "queued"]

    def test_settle_may_claim_what_it_has_just_released(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        settled = child.consumer.settle([Release(delivery)], claim_next=1)
        assert [each.id for each in settled.claimed.deliveries] == ["a"]
        assert settled.claimed.deliveries[0].receipt > delivery.receipt

    def test_settle_claims_nothing_unless_it_is_asked_to(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        assert child.settle(Complete(child.take_one())).claimed.deliveries == []
        assert stage.state("b") == "queued"

    def test_settle_that_claims_gives_a_suspect_only_to_an_idle_child(self, stage: Stage) -> None:
        stage.publish("plain")
        child = stage.child()
        delivery = child.take_one()
        stage.suspect("doubtful")
        settled = child.consumer.settle([Complete(delivery)], claim_next=5, idle=False)
        assert (settled.claimed.deliveries, settled.claimed.suspects_wait) == ([], True)
        settled = child.consumer.settle([], claim_next=5, idle=True)
        assert [each.id for each in settled.claimed.deliveries] == ["doubtful"]

    def test_progress_is_kept_while_the_job_runs(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        assert child.consumer.note(delivery, b'["HALF",50]')
        assert stage.record("a").progress == b'["HALF",50]'

    def test_progress_under_a_stale_receipt_is_refused_and_counted(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        stage.kill(child)
        assert not child.consumer.note(delivery, b'["LATE",1]')
        assert stage.record("a").progress == b""
        assert stage.broker.counts().stale_acks == 1

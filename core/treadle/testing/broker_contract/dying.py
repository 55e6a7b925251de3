"""What becomes of the jobs of a child that is known to be dead."""

from __future__ import annotations

import pytest

from treadle.exceptions import LeaseLost
from treadle.settlement import Complete, Fail, Release, Retry
from treadle.testing.broker_contract.stage import Stage


class DeathCases:
    """Abandon: everything comes back at once; the guilty are charged, the innocent are not."""

    def test_jobs_of_a_dead_child_are_queued_again_at_their_old_place(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        child = stage.child()
        child.take(2)
        assert sorted(stage.kill(child)) == ["a", "b"]
        assert stage.states("abc") == ["queued"] * 3
        assert stage.child().take_ids() == ["a", "b", "c"]

    def test_giving_back_raises_the_receipt(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        receipt = child.take_one().receipt
        stage.kill(child)
        assert stage.record("a").receipt > receipt

    def test_a_dead_childs_lease_claims_no_more(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        stage.kill(child)
        with pytest.raises(LeaseLost):
            child.take()
        assert stage.state("a") == "queued"

    def test_other_children_keep_their_jobs(self, stage: Stage) -> None:
        stage.publish("a", "b")
        dead, alive = stage.child(), stage.child()
        dead.take_one()
        kept = alive.take_one()
        assert stage.kill(dead) == ["a"]
        assert alive.settle(Complete(kept)).refused == []

    def test_abandoning_again_or_an_unknown_lease_gives_nothing_back(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.take_one()
        stage.kill(child)
        assert stage.kill(child) == []
        assert stage.broker.abandon("never/opened", reason="crashed", error=b"x") == []

    def test_the_guilty_are_charged_and_the_innocent_are_not(self, stage: Stage) -> None:
        stage.publish("guilty", "innocent")
        child = stage.child()
        child.take(2)
        stage.kill(child, guilty="guilty")
        guilty, innocent = stage.record("guilty"), stage.record("innocent")
        assert (guilty.state, guilty.attempt, guilty.crashes) == ("queued", 1, 1)
        assert (innocent.state, innocent.attempt, innocent.crashes) == ("queued", 0, 0)
        deliveries = stage.child().take(2)
        assert [(each.id, each.suspect, each.verdict) for each in deliveries] == [
            ("guilty", False, b""),
            ("innocent", False, b""),
        ]

    def test_a_job_gets_a_verdict_after_so_many_crashes(self, stage: Stage) -> None:
        stage.publish("a")
        stage.crash_with("a", times=2)
        child = stage.child()
        delivery = child.take_one()
        assert (delivery.crashes, delivery.verdict) == (2, b"")
        stage.kill(child, guilty="a")
        delivery = stage.child().take_one()
        assert (delivery.crashes, delivery.verdict) == (3, b"json:died")

    def test_the_limit_of_crashes_is_the_callers(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.take_one()
        stage.kill(child, guilty="a", max_crashes=1)
        assert stage.child().take_one().verdict == b"json:died"

    def test_a_job_past_its_time_limit_gets_a_verdict_at_once(self, stage: Stage) -> None:
        stage.publish("a")
        stage.crash_with("a", reason="time_limit")
        record = stage.record("a")
        assert (record.state, record.crashes) == ("queued", 0)
        assert stage.child().take_one().verdict == b"json:died"

    @pytest.mark.parametrize(("reason", "times"), [("crashed", 3), ("time_limit", 1)])
    def test_a_run_that_ends_in_a_verdict_is_charged_once(self, stage: Stage, reason: str, times: int) -> None:
        stage.publish("a")
        stage.crash_with("a", reason=reason, times=times)
        child = stage.child()
        delivery = child.take_one()
        assert (delivery.attempt, delivery.verdict) == (times - 1, b"json:died")
        child.settle(Fail(delivery, reason, delivery.verdict))
        assert stage.record("a").attempt == times

    def test_a_verdict_is_settled_like_any_delivery(self, stage: Stage) -> None:
        stage.publish("a")
        stage.crash_with("a", reason="time_limit")
        child = stage.child()
        delivery = child.take_one()
        assert child.settle(Fail(delivery, "time_limit", delivery.verdict)).refused == []
        record = stage.record("a")
        assert (record.state, record.reason, record.error) == ("failed", "time_limit", b"json:died")

    def test_a_retry_clears_the_verdict(self, stage: Stage) -> None:
        stage.publish("a")
        stage.crash_with("a", reason="time_limit")
        child = stage.child()
        child.settle(Retry(child.take_one(), 0))
        assert child.take_one().verdict == b""

    def test_a_release_keeps_the_verdict(self, stage: Stage) -> None:
        stage.publish("a")
        stage.crash_with("a", reason="time_limit")
        child = stage.child()
        child.settle(Release(child.take_one()))
        assert child.take_one().verdict == b"json:died"

    def test_requeue_after_a_verdict_runs_the_job(self, stage: Stage) -> None:
        stage.publish("a")
        stage.crash_with("a", times=3)
        child = stage.child()
        child.settle(Fail(child.take_one(), "crashed"))
        stage.broker.requeue(["a"])
        delivery = child.take_one()
        assert (delivery.verdict, delivery.crashes, delivery.suspect) == (b"", 0, False)

    def test_a_second_death_with_a_verdict_ends_the_job_failed(self, stage: Stage) -> None:
        stage.publish("a")
        stage.crash_with("a", times=3)
        child = stage.child()
        assert child.take_one().verdict
        stage.kill(child)
        record = stage.record("a")
        assert (record.state, record.reason, record.error) == ("failed", "crashed", b"json:died")
        assert (record.attempt, record.crashes) == (3, 3)
        assert stage.child().take_ids() == []

    def test_several_suspects_are_queued_uncharged(self, stage: Stage) -> None:
        stage.publish("a", "b", "unstarted")
        child = stage.child()
        child.take(3)
        assert sorted(stage.kill(child, suspects=["a", "b"])) == ["a", "b", "unstarted"]
        for job_id in ("a", "b", "unstarted"):
            record = stage.record(job_id)
            assert (record.state, record.attempt, record.crashes) == ("queued", 0, 0)
        claimer = stage.child()
        suspicions: dict[str, bool] = {}
        while batch := claimer.take(10):
            suspicions.update({delivery.id: delivery.suspect for delivery in batch})
            claimer.settle(*(Complete(delivery) for delivery in batch))
        assert suspicions == {"a": True, "b": True, "unstarted": False}

    def test_a_suspect_that_ends_well_is_no_suspect_when_requeued(self, stage: Stage) -> None:
        stage.suspect("a")
        child = stage.child()
        child.settle(Complete(child.take_one()))
        stage.broker.requeue(["a"])
        assert not child.take_one().suspect

    def test_a_job_not_to_be_redelivered_gets_a_verdict_when_it_may_have_started(self, stage: Stage) -> None:
        stage.publish("guilty", "waiting", redeliver=False)
        child = stage.child()
        child.take(2)
        stage.kill(child, guilty="guilty")
        verdicts = {each.id: each.verdict for each in stage.child().take(2)}
        assert verdicts == {"guilty": b"json:died", "waiting": b""}

    def test_suspects_not_to_be_redelivered_get_a_verdict(self, stage: Stage) -> None:
        stage.publish("a", "b", redeliver=False)
        child = stage.child()
        child.take(2)
        stage.kill(child, suspects=["a", "b"])
        claimer = stage.child()
        verdicts: list[bytes] = []
        while batch := claimer.take(10):
            verdicts += [delivery.verdict for delivery in batch]
            claimer.settle(*(Fail(delivery, "crashed") for delivery in batch))
        assert verdicts == [b"json:died", b"json:died"]

    def test_a_job_settled_before_its_child_died_is_not_given_back(self, stage: Stage) -> None:
        stage.publish("done", "held")
        child = stage.child()
        child.settle(Complete(child.take_one()))
        child.take_one()
        assert stage.kill(child, guilty="done") == ["held"]
        assert (stage.state("done"), stage.record("done").crashes) == ("succeeded", 0)

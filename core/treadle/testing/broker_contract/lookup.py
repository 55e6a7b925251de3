"""What looking at jobs, counting them and forgetting them promise."""

from __future__ import annotations

from treadle.interfaces import Filter, QueueCounts
from treadle.settlement import Cancel, Complete, Fail
from treadle.testing.broker_contract.stage import Stage

_HOUR_MS = 3_600_000


class LookupCases:
    """Every job can be found, listed and counted, until retention removes its record."""

    def test_unknown_ids_are_left_out(self, stage: Stage) -> None:
        stage.publish("a")
        assert list(stage.broker.get(["a", "unknown"])) == ["a"]
        assert stage.broker.get([]) == {}

    def test_many_records_come_in_one_call(self, stage: Stage) -> None:
        ids = stage.publish(*(f"{number}" for number in range(1200)))
        assert set(stage.broker.get(ids)) == set(ids)

    def test_jobs_are_listed_newest_first(self, stage: Stage) -> None:
        stage.publish("z", "m", "a")
        assert _listed(stage, Filter()) == ["a", "m", "z"]

    def test_a_list_may_be_paged_without_gaps_or_repetitions(self, stage: Stage) -> None:
        ids = stage.publish(*(f"{number}" for number in range(25)))
        assert _paged(stage, Filter(), limit=10) == ids[::-1]

    def test_final_jobs_are_listed_by_their_end(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        child = stage.child()
        first, second, third = child.take(3)
        for delivery in (second, third, first):
            child.settle(Complete(delivery))
            stage.pass_time(0.005)
        assert _listed(stage, Filter(state="succeeded")) == ["a", "c", "b"]

    def test_final_jobs_may_be_paged(self, stage: Stage) -> None:
        ids = stage.publish(*(f"{number:02}" for number in range(25)))
        child = stage.child()
        child.settle(*(Fail(delivery, "error") for delivery in child.take(100)))
        assert sorted(_paged(stage, Filter(state="failed"), limit=10)) == ids

    def test_the_last_page_has_no_cursor(self, stage: Stage) -> None:
        stage.publish("a", "b")
        assert stage.broker.query(Filter(), limit=5).next_cursor == ""
        assert stage.broker.query(Filter(queue="empty")).next_cursor == ""

    def test_jobs_are_filtered_by_state_queue_task_and_reason(self, stage: Stage) -> None:
        stage.publish("a", task="t1")
        stage.publish("b", task="t2")
        stage.publish("c", queue="other", task="t1")
        stage.publish("d", delay_ms=_HOUR_MS)
        child = stage.child()
        child.settle(Fail(child.take_one(), "rejected"))
        assert _listed(stage, Filter(state="failed")) == ["a"]
        assert _listed(stage, Filter(state="queued")) == ["c", "b"]
        assert _listed(stage, Filter(state="scheduled")) == ["d"]
        assert _listed(stage, Filter(state="running")) == []
        assert _listed(stage, Filter(queue="other")) == ["c"]
        assert _listed(stage, Filter(task="t1")) == ["c", "a"]
        assert _listed(stage, Filter(reason="rejected")) == ["a"]
        assert _listed(stage, Filter(state="failed", reason="crashed")) == []
        assert _listed(stage, Filter(state="queued", queue="q", task="t2")) == ["b"]

    def test_counts_tell_the_live_jobs_of_each_queue(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        stage.publish("d", delay_ms=_HOUR_MS)
        stage.publish("e", queue="other")
        stage.child().take_one()
        queues = stage.broker.counts().queues
        assert (queues["q"].queued, queues["q"].scheduled, queues["q"].running) == (2, 1, 1)
        assert (queues["other"].queued, queues["other"].scheduled, queues["other"].running) == (1, 0, 0)

    def test_counts_tell_the_final_jobs_by_state(self, stage: Stage) -> None:
        stage.publish("a", "b", "c", "d")
        child = stage.child()
        first, second, third, fourth = child.take(4)
        child.settle(Complete(first), Complete(second), Fail(third, "error"), Cancel(fourth, "revoked"))
        counts = stage.broker.counts()
        assert {state: number for state, number in counts.final.items() if number} == {
            "succeeded": 2,
            "failed": 1,
            "cancelled": 1,
        }
        queue = counts.queues.get("q", QueueCounts())
        assert (queue.queued, queue.scheduled, queue.running) == (0, 0, 0)

    def test_counts_tell_the_age_of_the_oldest_queued_job(self, stage: Stage) -> None:
        stage.publish("a")
        stage.pass_time(0.1)
        stage.publish("b")
        assert 100 <= stage.broker.counts().queues["q"].oldest_ms < 60_000

    def test_an_empty_store_counts_nothing(self, stage: Stage) -> None:
        counts = stage.broker.counts()
        assert sum(queue.queued + queue.scheduled + queue.running for queue in counts.queues.values()) == 0
        assert (sum(counts.final.values()), counts.stale_acks, counts.leases) == (0, 0, ())

    def test_pruning_by_age_removes_old_final_records_only(self, stage: Stage) -> None:
        stage.publish("old", "running", "queued")
        stage.publish("scheduled", delay_ms=_HOUR_MS)
        child = stage.child()
        first, _ = child.take(2)
        child.settle(Complete(first))
        stage.pass_time(0.4)
        ids = ["old", "running", "queued", "scheduled"]
        assert stage.broker.prune(max_age_s=3600, max_count=None) == 0
        assert stage.broker.prune(max_age_s=0.2, max_count=None) == 1
        assert stage.broker.prune(max_age_s=0.2, max_count=None) == 0
        assert stage.states(ids) == ["unknown", "running", "queued", "scheduled"]

    def test_pruning_by_count_keeps_the_newest(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        child = stage.child()
        for delivery in child.take(3):
            child.settle(Complete(delivery))
            stage.pass_time(0.005)
        stage.publish("live")
        assert stage.broker.prune(max_age_s=None, max_count=1) == 2
        assert stage.states(["a", "b", "c", "live"]) == ["unknown", "unknown", "succeeded", "queued"]

    def test_pruning_by_count_keeps_the_newest_of_each_state(self, stage: Stage) -> None:
        stage.publish("done1", "failed", "done2")
        child = stage.child()
        first, second, third = child.take(3)
        for settlement in (Complete(first), Fail(second, "error"), Complete(third)):
            child.settle(settlement)
            stage.pass_time(0.005)
        assert stage.broker.prune(max_age_s=None, max_count=1) == 1
        assert stage.states(["done1", "failed", "done2"]) == ["unknown", "failed", "succeeded"]

    def test_failed_jobs_have_an_age_limit_of_their_own(self, stage: Stage) -> None:
        stage.publish("done", "failed", "cancelled")
        child = stage.child()
        first, second, third = child.take(3)
        child.settle(Complete(first), Fail(second, "error"), Cancel(third, "revoked"))
        stage.pass_time(0.4)
        ids = ["done", "failed", "cancelled"]
        assert stage.broker.prune(max_age_s=0.2, max_count=None, failed_max_age_s=3600) == 2
        assert stage.states(ids) == ["unknown", "failed", "unknown"]
        assert stage.broker.prune(max_age_s=3600, max_count=None, failed_max_age_s=0.2) == 1
        assert stage.states(ids) == ["unknown"] * 3

    def test_pruning_is_bounded(self, stage: Stage) -> None:
        stage.publish("a", "b", "c")
        child = stage.child()
        child.settle(*(Complete(delivery) for delivery in child.take(3)))
        assert stage.broker.prune(max_age_s=None, max_count=0, limit=2) == 2
        assert stage.broker.prune(max_age_s=None, max_count=0, limit=2) == 1
        assert stage.broker.prune(max_age_s=None, max_count=0, limit=2) == 0

    def test_pruning_without_limits_removes_nothing(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Complete(child.take_one()))
        assert stage.broker.prune(max_age_s=None, max_count=None) == 0
        assert stage.state("a") == "succeeded"

    def test_a_requeued_job_is_not_pruned(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Fail(child.take_one(), "error"))
        stage.broker.requeue(["a"])
        assert stage.broker.prune(max_age_s=None, max_count=0) == 0
        assert stage.state("a") == "queued"

    def test_migrating_again_is_safe(self, stage: Stage) -> None:
        stage.publish("a")
        stage.broker.migrate()
        stage.broker.migrate()
        assert stage.state("a") == "queued"

    def test_the_setup_can_be_checked(self, stage: Stage) -> None:
        assert all(isinstance(sentence, str) and sentence for sentence in stage.broker.check())

    def test_a_closed_broker_may_be_used_again(self, stage: Stage) -> None:
        stage.publish("a")
        stage.broker.close()
        stage.broker.close()
        assert stage.state("a") == "queued"
        assert stage.child().take_ids() == ["a"]


def _listed(stage: Stage, criteria: Filter) -> list[str]:
    return [record.id for record in stage.broker.query(criteria).records]


def _paged(stage: Stage, criteria: Filter, *, limit: int) -> list[str]:
    page = stage.broker.query(criteria, limit=limit)
    ids = [record.id for record in page.records]
    while page.next_cursor:
        page = stage.broker.query(criteria, limit=limit, cursor=page.next_cursor)
        assert 0 < len(page.records) <= limit
        ids += [record.id for record in page.records]
    return ids

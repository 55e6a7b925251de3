"""What waiting for work and for ends promises."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from treadle.interfaces import Watch
from treadle.settlement import Complete, Fail, Release, Retry
from treadle.testing.broker_contract.stage import Child, Errand, Stage, job


class WaitCases:
    """Waiting: ended by what is waited for, not by the clock."""

    def test_a_waiting_claim_is_woken_by_a_publish(self, stage: Stage) -> None:
        with _claiming(stage) as (_, errand):
            stage.other.publish([job("a")])
        assert [each.id for each in errand.answer] == ["a"]
        stage.assert_prompt(errand)

    def test_a_waiting_claim_is_woken_by_a_delayed_job_that_becomes_due(self, stage: Stage) -> None:
        stage.publish("a", delay_ms=200)
        with _claiming(stage) as (_, errand):
            stage.pass_time(0.25)
        assert [each.id for each in errand.answer] == ["a"]
        stage.assert_prompt(errand)

    def test_a_waiting_claim_hears_of_a_delayed_job_published_meanwhile(self, stage: Stage) -> None:
        with _claiming(stage) as (_, errand):
            stage.other.publish([job("a")._replace(delay_ms=200)])
            stage.pass_time(0.25)
        assert [each.id for each in errand.answer] == ["a"]
        stage.assert_prompt(errand)

    def test_a_waiting_claim_is_woken_by_a_release(self, stage: Stage) -> None:
        stage.publish("a")
        holder = stage.child(broker=stage.other)
        delivery = holder.take_one()
        with _claiming(stage) as (_, errand):
            holder.settle(Release(delivery))
        assert [each.id for each in errand.answer] == ["a"]
        stage.assert_prompt(errand)

    def test_a_waiting_claim_is_woken_by_a_retry(self, stage: Stage) -> None:
        stage.publish("a")
        holder = stage.child(broker=stage.other)
        delivery = holder.take_one()
        with _claiming(stage) as (_, errand):
            holder.settle(Retry(delivery, 0))
        assert [each.attempt for each in errand.answer] == [1]
        stage.assert_prompt(errand)

    def test_a_waiting_claim_is_woken_when_a_dead_childs_jobs_come_back(self, stage: Stage) -> None:
        stage.publish("a")
        dead = stage.child(broker=stage.other)
        dead.take_one()
        with _claiming(stage) as (_, errand):
            stage.kill(dead)
        assert [each.id for each in errand.answer] == ["a"]
        stage.assert_prompt(errand)

    def test_a_waiting_claim_is_woken_by_a_requeue(self, stage: Stage) -> None:
        stage.publish("a")
        stage.broker.cancel(["a"])
        with _claiming(stage) as (_, errand):
            stage.other.requeue(["a"])
        assert [each.id for each in errand.answer] == ["a"]
        stage.assert_prompt(errand)

    def test_a_waiting_claim_is_woken_by_a_resume(self, stage: Stage) -> None:
        stage.broker.pause("q")
        stage.publish("a")
        with _claiming(stage) as (_, errand):
            stage.other.resume("q")
        assert [each.id for each in errand.answer] == ["a"]
        stage.assert_prompt(errand)

    def test_a_waiting_claim_is_ended_by_wake(self, stage: Stage) -> None:
        with _claiming(stage) as (child, errand):
            child.consumer.wake()
        assert errand.answer == []
        stage.assert_prompt(errand)

    def test_a_wake_before_the_claim_ends_its_wait(self, stage: Stage) -> None:
        child = stage.child()
        child.consumer.wake()
        with stage.meanwhile(lambda: child.take(wait_s=stage.patience_s)) as errand:
            pass
        stage.assert_prompt(errand)

    def test_a_claim_that_has_work_does_not_wait(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        with stage.meanwhile(lambda: child.take(10, wait_s=stage.patience_s)) as errand:
            pass
        assert [each.id for each in errand.answer] == ["a"]
        stage.assert_prompt(errand)

    def test_a_claim_waits_no_longer_than_it_was_told(self, stage: Stage) -> None:
        child = stage.child()
        with stage.meanwhile(lambda: child.take(wait_s=0.2)) as errand:
            pass
        assert errand.answer == []
        assert errand.took_s >= 0.15
        stage.assert_prompt(errand)

    def test_publishes_one_after_another_wake_every_time(self, stage: Stage) -> None:
        child = stage.child()
        for number in range(10):
            with stage.meanwhile(lambda: child.take(wait_s=stage.patience_s)) as errand:
                stage.other.publish([job(f"{number}")])
            assert [each.id for each in errand.answer] == [f"{number}"]
            stage.assert_prompt(errand)

    def test_a_watch_wakes_when_a_job_ends(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child(broker=stage.other)
        first, second = child.take(2)
        with _watching(stage, ["a", "b"]) as (_, errand):
            child.settle(Complete(second))
        assert errand.answer == {"b"}
        stage.assert_prompt(errand)
        with _watching(stage, ["a"]) as (_, errand):
            child.settle(Fail(first, "error"))
        assert errand.answer == {"a"}
        stage.assert_prompt(errand)

    def test_a_watch_wakes_when_a_job_is_cancelled(self, stage: Stage) -> None:
        stage.publish("a")
        with _watching(stage, ["a"]) as (_, errand):
            stage.other.cancel(["a"])
        assert errand.answer == {"a"}
        stage.assert_prompt(errand)

    def test_a_watch_answers_at_once_what_is_final_or_unknown(self, stage: Stage) -> None:
        stage.publish("done", "waiting")
        stage.broker.cancel(["done"])
        with _watching(stage, ["done", "waiting", "unknown"]) as (_, errand):
            pass
        assert errand.answer == {"done", "unknown"}
        stage.assert_prompt(errand)

    def test_a_watch_is_ended_by_wake(self, stage: Stage) -> None:
        stage.publish("a")
        with _watching(stage, ["a"]) as (watch, errand):
            watch.wake()
        assert errand.answer == set()
        stage.assert_prompt(errand)

    def test_a_watch_waits_no_longer_than_it_was_told(self, stage: Stage) -> None:
        stage.publish("a")
        watch = stage.broker.watch()
        with stage.meanwhile(lambda: watch.wait(["a"], 0.2)) as errand:
            pass
        watch.close()
        assert errand.answer == set()
        assert errand.took_s >= 0.15
        stage.assert_prompt(errand)

    def test_a_watch_is_not_woken_by_other_jobs(self, stage: Stage) -> None:
        stage.publish("a", "b")
        watch = stage.broker.watch()
        with stage.meanwhile(lambda: watch.wait(["a"], 0.4)) as errand:
            stage.broker.cancel(["b"])
        watch.close()
        assert errand.answer == set()


@contextmanager
def _claiming(stage: Stage) -> Generator[tuple[Child, Errand]]:
    """A child that waits in a claim while the block runs."""
    child = stage.child()
    with stage.meanwhile(lambda: child.take(wait_s=stage.patience_s)) as errand:
        yield child, errand


@contextmanager
def _watching(stage: Stage, ids: list[str]) -> Generator[tuple[Watch, Errand]]:
    """A watch that waits for the jobs while the block runs."""
    watch = stage.broker.watch()
    try:
        with stage.meanwhile(lambda: watch.wait(ids, stage.patience_s)) as errand:
            yield watch, errand
    finally:
        watch.close()

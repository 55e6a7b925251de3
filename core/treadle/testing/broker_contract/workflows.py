"""What a store promises about jobs that wait for jobs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from treadle.edges import NO_PLACE, RESULT_PLACE, After, Edge, On
from treadle.exceptions import ConfigurationError
from treadle.interfaces import Node
from treadle.job import Job
from treadle.settlement import Cancel, Complete, Fail, Release, Replace, Retry
from treadle.testing.broker_contract.stage import QUEUE, SHORT_TTL_S, Child, Stage, job

#: How long a gate is held that a case lets run out.
SHORT_HOLD_S = 0.2
#: More than a store follows in one step.
MANY = 1200


def join(job_id: str, *edges: Edge, need: int, **fields: Any) -> Job:
    """A join: nobody runs it."""
    return job(job_id, task="treadle.join", need=need, is_join=True, edges=edges, **fields)


def gate(job_id: str, *edges: Edge, hold_s: float = 60.0) -> Job:
    """A gate, which somebody holds."""
    return join(job_id, *edges, need=1, payload=b"json:nobody opened it", ttl_ms=round(hold_s * 1000))


def after(job_id: str, *sources: str, **fields: Any) -> Job:
    """A job that waits for others, which are known already."""
    return job(job_id, need=len(sources), after=tuple(After(source) for source in sources), **fields)


def steps(*ids: str) -> list[Job]:
    """A chain, as it is published: the last step first."""
    return [
        job(id, need=min(number, 1), edges=(Edge(ids[number + 1]),) if number + 1 < len(ids) else ())
        for number, id in enumerate(ids)
    ][::-1]


def members(join_id: str, *ids: str, on: On = "success", **fields: Any) -> list[Job]:
    """Jobs that lead to a join, each at its place."""
    return [job(id, edges=(Edge(join_id, place, on),), **fields) for place, id in enumerate(ids)]


def full_state(stage: Stage, job_id: str) -> str:
    """State and reason, as `failed skipped`."""
    record = stage.record(job_id)
    return f"{record.state} {record.reason}".strip()


def full_states(stage: Stage, ids: Sequence[str]) -> list[str]:
    """The states and reasons of several."""
    return [full_state(stage, id) for id in ids]


def run(child: Child, *, fails: Sequence[str] = (), at_once: int = 1) -> list[str]:
    """Run all that can be run: each gives its id, or fails; the ids in their order."""
    ran: list[str] = []
    while deliveries := child.take(at_once):
        settled = child.settle(
            *(
                Fail(each, "error", b"json:why") if each.id in fails else Complete(each, f"json:{each.id}".encode())
                for each in deliveries
            )
        )
        assert settled.refused == []
        ran += [each.id for each in deliveries]
    return ran


def run_until(stage: Stage, child: Child, job_id: str, **options: Any) -> None:
    """Run what can be run until that job has ended."""
    stage.until(lambda: (run(child, **options) and False) or stage.record(job_id).is_final)


class WorkflowCases:
    """Jobs that lead to jobs: what the end of one means to the others."""

    # One after the other ---------------------------------------------------------------------------

    def test_a_step_is_queued_by_the_end_of_the_one_before(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b", "c"))
        assert stage.states("abc") == ["queued", "blocked", "blocked"]
        assert run(stage.child()) == ["a", "b", "c"]
        assert stage.states("abc") == ["succeeded"] * 3

    def test_a_waiting_claim_is_woken_by_what_became_free(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child, waiting = stage.child(), stage.child(broker=stage.other)
        first = child.take_one()
        with stage.meanwhile(lambda: waiting.take_ids_waiting(stage.patience_s)) as errand:
            child.settle(Complete(first))
        assert errand.answer == ["b"]
        stage.assert_prompt(errand)

    def test_what_became_free_may_be_claimed_in_the_same_round_trip(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        settled = child.consumer.settle([Complete(child.take_one())], claim_next=1, idle=True)
        assert [each.id for each in settled.claimed.deliveries] == ["b"]

    def test_what_follows_a_failure_ends_skipped_with_its_error(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b", "c"))
        assert run(stage.child(), fails="a") == ["a"]
        assert full_states(stage, "abc") == ["failed error", "failed skipped", "failed skipped"]
        assert stage.record("c").error == b"json:why"
        assert stage.record("c").attempt == 0

    def test_a_delay_is_counted_from_when_the_job_is_free(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=1, delay_ms=200), job("a", edges=(Edge("b"),))])
        stage.pass_time(0.3)
        child = stage.child()
        assert run(child) == ["a"]
        assert stage.state("b") == "scheduled"
        assert stage.until(child.take_ids) == ["b"]

    def test_a_time_to_live_is_counted_from_when_the_job_is_free(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=1, ttl_ms=150), job("a", edges=(Edge("b"),))])
        stage.pass_time(0.3)
        assert run(stage.child()) == ["a", "b"]

    def test_a_free_job_that_nobody_takes_expires(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=1, ttl_ms=100), job("a", edges=(Edge("b"),))])
        child = stage.child()
        child.settle(Complete(child.take_one()))
        stage.pass_time(0.2)
        assert child.take_ids() == []
        assert full_state(stage, "b") == "cancelled expired"

    def test_an_expired_step_ends_what_follows(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=1), job("a", edges=(Edge("b"),), ttl_ms=100)])
        stage.pass_time(0.2)
        assert run(stage.child()) == []
        assert full_states(stage, "ab") == ["cancelled expired", "failed skipped"]

    def test_priority_and_queue_hold_for_what_became_free(self, stage: Stage) -> None:
        late = [job(id, need=1, queue="q2", priority=number) for number, id in enumerate("bc")]
        stage.broker.publish([*late, job("a", edges=(Edge("b"), Edge("c")))])
        child = stage.child(QUEUE, "q2")
        child.settle(Complete(child.take_one()))
        assert child.take_ids() == ["c", "b"]

    def test_publishing_again_leaves_a_workflow_as_it_is(self, stage: Stage) -> None:
        jobs = steps("a", "b", "c")
        stage.broker.publish(jobs)
        child = stage.child()
        child.settle(Complete(child.take_one()))
        stage.broker.publish(jobs)
        assert stage.states("abc") == ["succeeded", "queued", "blocked"]
        assert run(child) == ["b", "c"]

    # Joins -----------------------------------------------------------------------------------------

    def test_a_join_waits_for_all_and_its_members_are_read_by_place(self, stage: Stage) -> None:
        ids = [f"m{number}" for number in range(5)]
        stage.broker.publish([job("body", need=1), join("j", Edge("body"), need=5), *members("j", *ids)])
        assert run(stage.child(), at_once=2)[-1] == "body"
        inputs = stage.broker.inputs("j")
        assert [(each.place, each.id, each.state) for each in inputs] == [
            (place, id, "succeeded") for place, id in enumerate(ids)
        ]
        assert [each.result for each in inputs] == [f"json:{id}".encode() for id in ids]
        assert [each.id for each in stage.broker.inputs("j", after=1, limit=2)] == ["m2", "m3"]
        [source] = stage.broker.inputs("body")
        assert (source.id, source.is_join, source.state) == ("j", True, "succeeded")

    def test_a_join_says_what_it_makes_of_its_inputs(self, stage: Stage) -> None:
        stage.broker.publish(
            [job("body", need=1), join("j", Edge("body"), need=1, options=b'{"input":"list"}'), *members("j", "m")]
        )
        run(stage.child())
        assert stage.broker.inputs("body")[0].options == b'{"input":"list"}'
        assert stage.record("j").is_join
        assert not stage.record("body").is_join

    def test_inputs_of_a_job_that_waits_for_nothing_are_none(self, stage: Stage) -> None:
        stage.publish("a")
        assert stage.broker.inputs("a") == []
        assert stage.broker.inputs("unknown") == []

    def test_inputs_that_have_not_ended_are_left_out(self, stage: Stage) -> None:
        stage.broker.publish([join("j", need=2), *members("j", "m0", "m1")])
        child = stage.child()
        child.settle(Complete(child.take_one()))
        assert [each.id for each in stage.broker.inputs("j")] == ["m0"]

    def test_a_join_fails_as_soon_as_it_cannot_succeed(self, stage: Stage) -> None:
        stage.broker.publish([job("body", need=1), join("j", Edge("body"), need=3), *members("j", "m0", "m1", "m2")])
        child = stage.child()
        child.settle(Fail(child.take_one(), "error", b"json:why"))
        assert full_states(stage, ["j", "body"]) == ["failed skipped", "failed skipped"]
        assert run(child) == ["m1", "m2"], "the other members still run"

    def test_a_join_of_ends_waits_for_failures_too(self, stage: Stage) -> None:
        of_ends = members("j", "m0", "m1", "m2", on="end")
        stage.broker.publish([job("body", need=1), join("j", Edge("body"), need=3), *of_ends])
        assert run(stage.child(), fails=["m1"])[-1] == "body"
        assert [each.state for each in stage.broker.inputs("j")] == ["succeeded", "failed", "succeeded"]
        assert stage.broker.inputs("j")[1].error == b"json:why"

    def test_a_join_may_do_with_some_of_its_members(self, stage: Stage) -> None:
        some = join("j", Edge("body"), need=2, spare=1)
        stage.broker.publish([job("body", need=1), some, *members("j", "m0", "m1", "m2")])
        assert run(stage.child(), fails=["m1"]) == ["m0", "m1", "m2", "body"]

    def test_a_join_that_can_get_too_few_members_fails(self, stage: Stage) -> None:
        some = join("j", Edge("body"), need=2, spare=1)
        stage.broker.publish([job("body", need=1), some, *members("j", "m0", "m1", "m2")])
        run(stage.child(), fails=["m0", "m1"])
        assert full_states(stage, ["j", "body"]) == ["failed skipped", "failed skipped"]

    def test_a_join_of_none_is_done_at_once(self, stage: Stage) -> None:
        stage.broker.publish([job("body", need=1), join("j", Edge("body"), need=0)])
        assert stage.state("j") == "succeeded"
        assert stage.until(stage.child().take_ids) == ["body"]

    def test_members_that_end_in_one_settlement_count_each(self, stage: Stage) -> None:
        stage.broker.publish([join("j", need=3), *members("j", "m0", "m1", "m2")])
        child = stage.child()
        child.settle(*(Complete(each) for each in child.take(3)))
        assert stage.state("j") == "succeeded"

    def test_a_member_that_ends_twice_in_one_settlement_counts_once(self, stage: Stage) -> None:
        stage.broker.publish([join("j", need=2), *members("j", "m0", "m1")])
        child = stage.child()
        first = child.take_one()
        child.settle(Complete(first), Complete(first))
        assert stage.state("j") == "blocked"

    def test_a_waiting_watch_is_told_of_the_end_of_a_join(self, stage: Stage) -> None:
        stage.broker.publish([join("j", need=1), *members("j", "m0")])
        child, watch = stage.child(), stage.other.watch()
        with stage.meanwhile(lambda: watch.wait(["j"], stage.patience_s)) as errand:
            child.settle(Complete(child.take_one()))
        watch.close()
        assert errand.answer == {"j"}
        stage.assert_prompt(errand)

    def test_children_that_end_the_last_members_at_once_run_the_body_once(self, stage: Stage) -> None:
        for round_number in range(10):
            ids = [f"{round_number}-{number}" for number in range(8)]
            body, end = f"{round_number}-body", f"{round_number}-join"
            stage.broker.publish([job(body, need=1), join(end, Edge(body), need=8), *members(end, *ids)])
            one, two = stage.child(), stage.child(broker=stage.other)
            firsts, seconds = ([child.take_one() for _ in range(4)] for child in (one, two))
            with stage.meanwhile(lambda two=two, seconds=seconds: two.settle(*map(Complete, seconds))):  # type: ignore[misc]
                one.settle(*map(Complete, firsts))
            assert run(one) == [body]
            for child in (one, two):
                stage.kill(child)

    # Errors ----------------------------------------------------------------------------------------

    def test_who_waits_for_a_failure_is_not_needed_without_one(self, stage: Stage) -> None:
        stage.broker.publish([job("errback", need=1), job("a", edges=(Edge("errback", 0, "failure"),))])
        assert run(stage.child()) == ["a"]
        assert full_state(stage, "errback") == "cancelled unneeded"

    def test_who_waits_for_a_failure_runs_after_one(self, stage: Stage) -> None:
        stage.broker.publish([job("errback", need=1), job("a", edges=(Edge("errback", 0, "failure"),))])
        assert run(stage.child(), fails="a") == ["a", "errback"]
        [source] = stage.broker.inputs("errback")
        assert (source.id, source.state, source.error) == ("a", "failed", b"json:why")

    def test_what_follows_an_errback_that_was_not_needed_is_not_needed_either(self, stage: Stage) -> None:
        following = [job("after", need=1), job("errback2", need=1)]
        errback = job("errback", edges=(Edge("after"), Edge("errback2", 0, "failure")), need=1)
        stage.broker.publish([*following, errback, job("a", edges=(Edge("errback", 0, "failure"),))])
        assert run(stage.child()) == ["a"]
        assert set(full_states(stage, ["after", "errback2", "errback"])) == {"cancelled unneeded"}

    def test_a_retry_and_a_repeated_settlement_tell_nobody(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=2), job("a", edges=(Edge("b"),))])
        child = stage.child()
        first = child.take_one()
        child.settle(Retry(first, 0))
        second = child.take_one()
        child.settle(Complete(second))
        child.settle(Complete(second))
        child.settle(Complete(first))
        assert stage.state("b") == "blocked", "it needs two, and was told of one"

    def test_a_release_tells_nobody(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        child.settle(Release(child.take_one()))
        assert stage.states("ab") == ["queued", "blocked"]
        assert run(child) == ["a", "b"]

    def test_a_requeued_source_does_not_count_again(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=2), job("a", edges=(Edge("b"),))])
        child = stage.child()
        run(child)
        assert stage.broker.requeue("a") == ["a"]
        assert run(child) == ["a"]
        assert stage.state("b") == "blocked"

    def test_a_join_is_not_requeued(self, stage: Stage) -> None:
        stage.broker.publish([join("j", need=1), *members("j", "m")])
        run(stage.child())
        assert stage.broker.requeue(["j"]) == []
        assert stage.state("j") == "succeeded"

    def test_cancelling_a_step_ends_what_follows(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b", "c"))
        assert stage.broker.cancel("b") == {"b": "cancelled"}
        assert full_states(stage, "abc") == ["queued", "cancelled revoked", "failed skipped"]
        assert run(stage.child()) == ["a"]

    def test_a_run_that_is_cancelled_ends_what_follows(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        child.settle(Cancel(child.take_one(), "revoked"))
        assert full_state(stage, "b") == "failed skipped"

    def test_the_death_of_a_child_ends_what_follows_only_with_the_job(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        stage.crash_with("a")
        assert stage.states("ab") == ["queued", "blocked"]
        stage.crash_with("a", times=2)
        child = stage.child()
        sentenced = child.take_one()
        stage.kill(child, guilty="a")
        assert sentenced.verdict
        assert full_states(stage, "ab") == ["failed crashed", "failed skipped"]

    def test_purging_a_queue_lets_workflows_end(self, stage: Stage) -> None:
        stage.broker.publish([*steps("a", "b"), job("alone")])
        assert stage.broker.purge(QUEUE) == 2
        assert full_states(stage, "ab") == ["cancelled revoked", "failed skipped"]
        assert stage.state("alone") == "unknown"

    def test_blocked_jobs_are_counted_and_found(self, stage: Stage) -> None:
        stage.broker.publish([*steps("a", "b", "c"), join("j", need=1)])
        counts = stage.broker.counts().queues[QUEUE]
        assert (counts.queued, counts.blocked) == (1, 2)

    # Names -----------------------------------------------------------------------------------------

    def test_a_target_must_be_known(self, stage: Stage) -> None:
        with pytest.raises(ConfigurationError, match=r"'nobody'.*not known"):
            stage.broker.publish([job("b"), job("a", edges=(Edge("nobody"),))])
        assert stage.states("ab") == ["unknown", "unknown"]

    def test_a_source_must_be_known(self, stage: Stage) -> None:
        with pytest.raises(ConfigurationError, match=r"'nobody'.*not known"):
            stage.broker.publish([job("b"), after("a", "nobody")])
        assert stage.states("ab") == ["unknown", "unknown"]

    # Waiting for jobs that are known already ---------------------------------------------------------

    def test_a_known_job_counts_for_what_it_leads_to_for_the_first_time(self, stage: Stage) -> None:
        child = stage.child()
        stage.broker.publish([job("ended"), job("failed"), job("running")])
        first, second, running = child.take(3)
        child.settle(Complete(first, b"json:1"), Fail(second, "error", b"json:why"))
        graph = [join("j", need=3), *members("j", "ended", "running", "new")]
        errback = [job("errback", need=1), job("failed", edges=(Edge("errback", 0, "failure"),))]
        stage.broker.publish([*graph, *errback])
        assert stage.states(["j", "errback"]) == ["blocked", "queued"]
        stage.broker.publish([*graph, *errback])
        assert sorted(run(child)) == ["errback", "new"]
        assert stage.states("j") == ["blocked"]
        child.settle(Complete(running, b"json:2"))
        assert stage.states("j") == ["succeeded"]
        assert [each.id for each in stage.broker.inputs("j")] == ["ended", "running", "new"]

    def test_a_job_may_wait_for_others_that_are_known(self, stage: Stage) -> None:
        stage.publish("a", "b")
        stage.broker.publish([after("c", "a", "b")])
        assert stage.state("c") == "blocked"
        assert run(stage.child()) == ["a", "b", "c"]
        assert [each.place for each in stage.broker.inputs("c", after=NO_PLACE - 1)] == [NO_PLACE, NO_PLACE]

    def test_a_source_that_has_ended_counts_at_once(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        child.settle(Complete(child.take_one()))
        stage.broker.publish([after("c", "a", "b"), after("d", "a")])
        assert stage.states("cd") == ["blocked", "queued"]
        assert run(child) == ["b", "c", "d"]

    def test_a_source_that_has_failed_counts_at_once(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Fail(child.take_one(), "error", b"json:why"))
        stage.broker.publish([after("b", "a"), after("c", "b")])
        assert full_states(stage, "bc") == ["failed skipped", "failed skipped"]
        assert stage.record("c").error == b"json:why"

    def test_a_source_may_be_in_the_same_batch(self, stage: Stage) -> None:
        stage.broker.publish([job("a"), after("b", "a")])
        assert run(stage.child()) == ["a", "b"]

    def test_a_source_that_runs_counts_when_it_ends(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        running = child.take_one()
        stage.broker.publish([after("b", "a")])
        assert stage.state("b") == "blocked"
        child.settle(Complete(running))
        assert stage.state("b") == "queued"

    def test_a_source_that_ends_while_it_is_waited_for_counts_once(self, stage: Stage) -> None:
        for number in range(20):
            source, waiting = f"s{number}", f"w{number}"
            stage.publish(source)
            child = stage.child()
            running = child.take_one()
            with stage.meanwhile(lambda waiting=waiting, source=source: stage.other.publish([after(waiting, source)])):  # type: ignore[misc]
                child.settle(Complete(running))
            assert child.take_ids() == [waiting]
            stage.kill(child)
            stage.broker.delete([waiting])

    # Gates -----------------------------------------------------------------------------------------

    def test_an_open_join_grows_until_its_gate_is_opened(self, stage: Stage) -> None:
        child = stage.child()
        stage.broker.publish([job("body", need=1), join("j", Edge("body"), need=1), gate("g", Edge("j", NO_PLACE))])
        for number in range(3):
            stage.broker.publish([job(f"m{number}", edges=(Edge("j", number, grows=True),))])
            run(child)
        assert stage.state("j") == "blocked"
        assert stage.broker.open(["g"]) == set()
        assert stage.state("j") == "succeeded"
        assert len(stage.broker.inputs("j")) == 3
        assert run(child) == ["body"]

    def test_a_gate_is_opened_once(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=2), gate("g", Edge("b"))])
        assert stage.broker.open(["g", "unknown"]) == {"unknown"}
        assert stage.broker.open(["g"]) == {"g"}
        assert stage.state("b") == "blocked"

    def test_a_gate_that_nobody_opens_fails_with_its_payload(self, stage: Stage) -> None:
        child = stage.child()
        stage.broker.publish([join("j", need=2), gate("g", Edge("j"), hold_s=SHORT_HOLD_S)])

        def is_over() -> bool:
            stage.broker.renew([child.lease], 60)
            stage.broker.recover(error=b"")
            return stage.record("g").is_final

        stage.until(is_over)
        assert full_states(stage, "gj") == ["failed skipped", "failed skipped"]
        assert stage.record("j").error == b"json:nobody opened it"
        assert stage.broker.hold(["g"], 1) == {"g"}
        assert stage.broker.open(["g"]) == {"g"}

    def test_a_gate_that_is_held_stays_shut(self, stage: Stage) -> None:
        stage.broker.publish([gate("g", hold_s=SHORT_HOLD_S)])
        assert stage.broker.hold(["g"], 60) == set()
        stage.pass_time(2 * SHORT_HOLD_S)
        stage.broker.recover(error=b"")
        assert stage.state("g") == "blocked"

    def test_joins_without_a_term_are_never_over(self, stage: Stage) -> None:
        stage.broker.publish([join("j", need=1), job("b", need=1, ttl_ms=50), job("c", need=1, expires_ms=1)])
        stage.pass_time(0.1)
        stage.broker.recover(error=b"")
        assert stage.states("jbc") == ["blocked"] * 3

    def test_after_an_outage_no_gate_is_over_for_one_lease_period(self, stage: Stage) -> None:
        child = stage.child(ttl_s=SHORT_TTL_S)
        stage.broker.publish([gate("g", hold_s=SHORT_HOLD_S)])
        stage.pass_time(2 * SHORT_TTL_S)
        stage.broker.renew([child.lease], SHORT_TTL_S)
        stage.broker.recover(error=b"")
        assert stage.state("g") == "blocked"

    # Replacing -------------------------------------------------------------------------------------

    def replace_first(self, stage: Stage, child: Child) -> str:
        """Take a job and let it be replaced by a job `new`; answers its id."""
        delivery = child.take_one()
        stage.broker.publish([job("new", need=1), gate("g", Edge("new", NO_PLACE))])
        assert child.settle(Replace(delivery, "new", "g")).refused == []
        return delivery.id

    def test_a_replaced_job_ends_with_what_replaced_it(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        assert self.replace_first(stage, child) == "a"
        record = stage.record("a")
        assert (record.state, record.is_join, record.attempt) == ("blocked", True, 1)
        assert run(child) == ["new", "b"]
        assert stage.states("ab") == ["succeeded", "succeeded"]
        [source] = stage.broker.inputs("a", after=RESULT_PLACE - 1)
        assert (source.id, source.place, source.result) == ("new", RESULT_PLACE, b"json:new")
        assert stage.broker.inputs("b")[0].is_join

    def test_a_replaced_job_fails_with_what_replaced_it(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        self.replace_first(stage, child)
        assert run(child, fails=["new"]) == ["new"]
        assert full_states(stage, "ab") == ["failed skipped", "failed skipped"]
        assert stage.record("b").error == b"json:why"

    def test_what_replaces_may_be_replaced(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        self.replace_first(stage, child)
        stage.broker.publish([job("newer", need=1), gate("g2", Edge("newer", NO_PLACE))])
        child.settle(Replace(child.take_one(), "newer", "g2"))
        assert run(child) == ["newer", "b"]
        assert stage.states(["a", "new", "b"]) == ["succeeded"] * 3

    def test_a_late_replacement_changes_nothing(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        late, child = stage.child(), stage.child()
        stale = late.take_one()
        stage.broker.publish([job("new", need=1), gate("g", Edge("new", NO_PLACE))])
        stage.kill(late)
        assert late.settle(Replace(stale, "new", "g")).refused == ["a"]
        assert stage.states(["a", "new", "g"]) == ["queued", "blocked", "blocked"]
        assert run(child) == ["a", "b"]

    def test_a_repeated_replacement_answers_ok(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        replacement = Replace(child.take_one(), "new", "g")
        stage.broker.publish([job("new", need=1), gate("g", Edge("new", NO_PLACE))])
        child.settle(replacement)
        assert child.settle(replacement).refused == []
        assert run(child) == ["new", "b"]
        assert child.settle(replacement).refused == []
        assert stage.record("a").attempt == 1

    def test_a_cancelled_run_is_not_replaced(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        delivery = child.take_one()
        stage.broker.cancel("a")
        stage.broker.publish([job("new", need=1), gate("g", Edge("new", NO_PLACE))])
        child.settle(Replace(delivery, "new", "g"))
        assert full_states(stage, ["a", "b", "g"]) == ["cancelled revoked", "failed skipped", "cancelled revoked"]
        assert run(child) == []
        assert full_state(stage, "new") == "failed skipped"

    def test_a_replaced_job_whose_replacement_is_over_fails(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        delivery = child.take_one()
        stage.broker.publish([job("new", need=1), gate("g", Edge("new", NO_PLACE))])
        stage.broker.cancel("g")
        child.settle(Replace(delivery, "new", "g"))
        assert full_states(stage, "ab") == ["failed skipped", "failed skipped"]

    def test_a_replaced_job_can_be_cancelled(self, stage: Stage) -> None:
        stage.broker.publish(steps("a", "b"))
        child = stage.child()
        self.replace_first(stage, child)
        assert stage.broker.cancel("a") == {"a": "cancelled"}
        assert run(child) == ["new"]
        assert full_states(stage, "ab") == ["cancelled revoked", "failed skipped"]

    # Keeping ---------------------------------------------------------------------------------------

    def prune_all(self, stage: Stage) -> int:
        """Remove every record that may be removed."""
        stage.pass_time(0.01)
        return stage.broker.prune(max_age_s=0, max_count=0, failed_max_age_s=0)

    def test_what_somebody_waits_for_is_kept(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=2), job("a", edges=(Edge("b"),))])
        run(stage.child())
        assert self.prune_all(stage) == 0
        assert stage.broker.delete("a") == []
        stage.broker.cancel("b")
        stage.until(lambda: (self.prune_all(stage) and False) or stage.states("ab") == ["unknown"] * 2)

    def test_members_are_kept_until_what_follows_their_join_has_ended(self, stage: Stage) -> None:
        nested = [job("body", need=1), join("outer", Edge("body"), need=1), join("j", Edge("outer"), need=2)]
        stage.broker.publish([*nested, *members("j", "m0", "m1")])
        child = stage.child()
        child.settle(*(Complete(each) for each in child.take(2)))
        assert stage.states(["j", "outer", "body"]) == ["succeeded", "succeeded", "queued"]
        assert self.prune_all(stage) == 0
        assert stage.broker.delete(["m0", "j"]) == []
        assert run(child) == ["body"]
        stage.until(lambda: (self.prune_all(stage) and False) or stage.states(["m0", "j", "body"]) == ["unknown"] * 3)

    def test_what_is_kept_for_others_does_not_keep_the_rest(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=2), job("a", edges=(Edge("b"),)), job("alone")])
        run(stage.child())
        stage.pass_time(0.01)
        assert stage.broker.prune(max_age_s=0, max_count=None, limit=1) == 1
        assert stage.states(["a", "alone"]) == ["succeeded", "unknown"]

    def test_an_id_may_be_used_again_after_a_workflow_is_gone(self, stage: Stage) -> None:
        for _ in range(2):
            stage.broker.publish([job("body", need=1), join("j", Edge("body"), need=2), *members("j", "m0", "m1")])
            assert run(stage.child()) == ["m0", "m1", "body"]
            assert len(stage.broker.inputs("j")) == 2
            assert sorted(stage.broker.delete(["body"])) == ["body"]
            assert sorted(stage.broker.delete(["j"])) == ["j"]
            assert sorted(stage.broker.delete(["m0", "m1"])) == ["m0", "m1"]

    # Large ones ------------------------------------------------------------------------------------

    def test_long_rows_of_consequences_go_on_until_all_have_ended(self, stage: Stage) -> None:
        ids = [f"s{number}" for number in range(MANY)]
        for at in range(0, MANY, 400):
            stage.broker.publish(steps(*ids)[at : at + 400])
        child = stage.child()
        child.settle(Fail(child.take_one(), "error", b"json:why"))
        run_until(stage, child, ids[-1])
        assert {full_state(stage, id) for id in ids[1::100]} == {"failed skipped"}

    def test_a_wide_fan_out_and_fan_in_reaches_all(self, stage: Stage) -> None:
        ids = [f"m{number}" for number in range(MANY)]
        stage.broker.publish([job("body", need=1), join("j", Edge("body"), need=MANY), job("first")])
        for at in range(0, MANY, 400):
            stage.broker.publish(
                [after(id, "first", edges=(Edge("j", place),)) for place, id in list(enumerate(ids))[at : at + 400]]
            )
        run_until(stage, stage.child(), "body", at_once=300)
        assert stage.states(["j", "body", ids[0], ids[-1]]) == ["succeeded"] * 4
        read: list[str] = []
        while page := stage.broker.inputs("j", after=len(read) - 1, limit=500):
            read += [each.id for each in page]
        assert read == ids

    # The whole -------------------------------------------------------------------------------------

    def nodes(self, stage: Stage, workflow: str, limit: int = 2) -> list[Node]:
        """All nodes of a workflow, read page by page."""
        page = stage.broker.nodes(workflow, limit=limit)
        found = list(page.nodes)
        while page.next_cursor:
            page = stage.broker.nodes(workflow, limit=limit, cursor=page.next_cursor)
            found += page.nodes
        return found

    def test_the_jobs_of_a_workflow_are_found_with_their_edges(self, stage: Stage) -> None:
        whole = [job("body", need=1), join("j", Edge("body"), need=3), *members("j", "m0", "m1", "m2")]
        stage.broker.publish([each._replace(workflow="w") for each in whole])
        stage.publish("other")
        nodes = {node.id: node for node in self.nodes(stage, "w")}
        assert list(nodes) == ["body", "j", "m0", "m1", "m2"]
        assert nodes["j"] == Node("j", "treadle.join", "blocked", "", True, 3, 0, (Edge("body"),))
        assert nodes["m1"].edges == (Edge("j", 1),)
        run(stage.child(), fails=["m1"])
        assert [(node.state, node.reason) for node in self.nodes(stage, "w", 100)] == [
            ("failed", "skipped"),
            ("failed", "skipped"),
            ("succeeded", ""),
            ("failed", "error"),
            ("succeeded", ""),
        ]
        assert stage.record("m1").workflow == "w"
        assert stage.broker.nodes("unknown").nodes == []

    def test_edges_that_came_later_are_found(self, stage: Stage) -> None:
        stage.broker.publish([job("a", workflow="w"), after("b", "a", workflow="w")])
        assert self.nodes(stage, "w")[0].edges == (Edge("b", NO_PLACE),)

    def test_progress_counts_the_jobs_of_a_workflow_by_state(self, stage: Stage) -> None:
        whole = [job("body", need=1), join("j", Edge("body"), need=3), *members("j", "m0", "m1", "m2")]
        stage.broker.publish([each._replace(workflow="w") for each in whole])
        child = stage.child()
        child.settle(Complete(child.take_one()))
        child.take_one()
        assert dict(stage.broker.progress("w")) == {"blocked": 1, "succeeded": 1, "running": 1, "queued": 1}
        assert dict(stage.broker.progress("unknown")) == {}

    def test_a_removed_job_is_no_part_of_its_workflow_any_more(self, stage: Stage) -> None:
        stage.publish("a", "b", workflow="w")
        stage.broker.delete("a")
        assert [node.id for node in self.nodes(stage, "w")] == ["b"]
        assert dict(stage.broker.progress("w")) == {"queued": 1}

    # Again -----------------------------------------------------------------------------------------

    def test_a_workflow_is_restarted_from_where_it_failed(self, stage: Stage) -> None:
        stage.broker.publish([each._replace(workflow="w") for each in steps("a", "b", "c", "d")])
        child = stage.child()
        run(child, fails="b")
        assert stage.broker.restart("w") == ["b"]
        assert stage.states("abcd") == ["succeeded", "queued", "blocked", "blocked"]
        assert run(child) == ["b", "c", "d"]
        assert stage.record("d").error == b""

    def test_a_join_is_restarted_with_what_its_members_gave(self, stage: Stage) -> None:
        whole = [job("body", need=1), join("j", Edge("body"), need=4), *members("j", "m0", "m1", "m2", "m3")]
        stage.broker.publish([each._replace(workflow="w") for each in whole])
        child = stage.child()
        run(child, fails=["m1", "m2"])
        assert sorted(stage.broker.restart("w")) == ["m1", "m2"]
        assert stage.states(["j", "body"]) == ["blocked", "blocked"]
        assert run(child) == ["m1", "m2", "body"]
        assert len(stage.broker.inputs("j")) == 4

    def test_a_restart_that_fails_again_ends_again(self, stage: Stage) -> None:
        stage.broker.publish([each._replace(workflow="w") for each in steps("a", "b", "c")])
        child = stage.child()
        for _ in range(3):
            run(child, fails="b")
            assert full_states(stage, "abc") == ["succeeded", "failed error", "failed skipped"]
            assert stage.broker.restart("w") == ["b"]

    def test_a_restart_arms_what_waits_for_failures(self, stage: Stage) -> None:
        errback = job("errback", need=1, spare=0, workflow="w")
        first = job("a", edges=(Edge("b"), Edge("errback", 0, "failure")), workflow="w")
        stage.broker.publish([errback, job("b", need=1, workflow="w"), first])
        child = stage.child()
        assert run(child, fails="b") == ["a", "b"]
        assert full_state(stage, "errback") == "cancelled unneeded"
        assert stage.broker.restart("w") == ["b"]
        assert run(child) == ["b"]
        assert full_state(stage, "errback") == "cancelled unneeded"

    def test_a_cancelled_workflow_can_be_restarted(self, stage: Stage) -> None:
        stage.broker.publish([each._replace(workflow="w") for each in steps("a", "b", "c")])
        stage.broker.cancel("a")
        assert full_states(stage, "abc") == ["cancelled revoked", "failed skipped", "failed skipped"]
        assert stage.broker.restart("w") == ["a"]
        assert run(stage.child()) == ["a", "b", "c"]

    def test_steps_that_were_cancelled_before_they_ran_wait_again(self, stage: Stage) -> None:
        stage.broker.publish([each._replace(workflow="w") for each in steps("a", "b", "c")])
        for id in "cba":
            stage.broker.cancel([id])
        assert full_states(stage, "abc") == ["cancelled revoked"] * 3
        assert stage.broker.restart("w") == ["a"]
        assert stage.states("abc") == ["queued", "blocked", "blocked"]
        assert run(stage.child()) == ["a", "b", "c"]

    def test_a_step_that_was_cancelled_when_its_turn_had_come_is_queued_again(self, stage: Stage) -> None:
        stage.broker.publish([each._replace(workflow="w") for each in steps("a", "b", "c")])
        child = stage.child()
        child.settle(Complete(child.take_one(), b"1"))
        stage.broker.cancel(["b"])
        assert full_states(stage, "abc") == ["succeeded", "cancelled revoked", "failed skipped"]
        assert stage.broker.restart("w") == ["b"]
        assert run(child) == ["b", "c"]

    def test_a_replaced_job_is_restarted_with_what_replaced_it(self, stage: Stage) -> None:
        stage.broker.publish([each._replace(workflow="w") for each in steps("a", "b")])
        child = stage.child()
        delivery = child.take_one()
        stage.broker.publish([job("new", need=1, workflow="w"), gate("g", Edge("new", NO_PLACE))])
        child.settle(Replace(delivery, "new", "g"))
        run(child, fails=["new"])
        assert full_states(stage, "ab") == ["failed skipped", "failed skipped"]
        assert stage.broker.restart("w") == ["new"]
        assert run(child) == ["new", "b"]
        assert stage.states("ab") == ["succeeded", "succeeded"]

    def test_a_job_of_no_workflow_is_a_part_of_that_which_replaces_it(self, stage: Stage) -> None:
        stage.broker.publish([job("a")])
        child = stage.child()
        delivery = child.take_one()
        stage.broker.publish([job("new", need=1, workflow="a"), gate("g", Edge("new", NO_PLACE))])
        child.settle(Replace(delivery, "new", "g"))
        run(child, fails=["new"])
        assert {node.id for node in stage.broker.nodes("a").nodes} >= {"a", "new"}
        assert stage.broker.restart("a") == ["new"]
        assert run(child) == ["new"]
        assert stage.states(["a"]) == ["succeeded"]

    def test_nothing_is_restarted_where_nothing_went_wrong(self, stage: Stage) -> None:
        stage.broker.publish([each._replace(workflow="w") for each in steps("a", "b")])
        run(stage.child())
        assert stage.broker.restart("w") == []
        assert stage.broker.restart("unknown") == []
        assert stage.states("ab") == ["succeeded", "succeeded"]

    def test_what_was_never_stored_as_a_whole_is_not_restarted(self, stage: Stage) -> None:
        stage.broker.publish([job("b", need=1, workflow="w"), gate("g", Edge("b"))._replace(workflow="w")])
        stage.broker.cancel("g")
        with pytest.raises(ConfigurationError, match="never stored as a whole"):
            stage.broker.restart("w")
        assert full_state(stage, "b") == "failed skipped"

    # Anything --------------------------------------------------------------------------------------

    def test_every_job_of_random_graphs_ends(self, stage: Stage) -> None:
        dice = random.Random(20)
        for round_number in range(15):
            jobs = random_graph(dice, f"r{round_number}-")
            stage.broker.publish(jobs)
            child = stage.child()
            fails = [each.id for each in jobs if dice.random() < 0.3]
            ran = run(child, fails=fails, at_once=dice.choice([1, 3, 10]))
            assert len(ran) == len(set(ran)), "each ran once"
            ids = [each.id for each in jobs]
            stage.until(lambda ids=ids: all(each.is_final for each in stage.broker.get(ids).values()))  # type: ignore[misc]
            stage.kill(child)


def random_graph(dice: random.Random, prefix: str) -> list[Job]:
    """Up to 40 jobs and joins, with all kinds of edges between them; targets first."""
    jobs: list[Job] = []
    sources: dict[str, int] = {}
    choices: list[On] = ["success", "success", "failure", "end"]
    for number in range(dice.randint(1, 40)):
        targets = dice.sample(jobs, k=min(len(jobs), dice.choice([0, 1, 1, 2, 3])))
        edges: list[Edge] = []
        for target in targets:
            edges.append(Edge(target.id, sources.get(target.id, 0), dice.choice(choices)))
            sources[target.id] = sources.get(target.id, 0) + 1
        jobs.append(job(f"{prefix}{number}", edges=tuple(edges), is_join=dice.random() < 0.3))
    needs = {each.id: dice.randint(1, sources[each.id]) for each in jobs if each.id in sources}
    return [
        each._replace(need=needs.get(each.id, 0), spare=sources.get(each.id, 0) - needs.get(each.id, 0))
        for each in jobs
    ]

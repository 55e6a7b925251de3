"""Workflows as users write them, from the call to the handle, on the memory broker."""

from __future__ import annotations

import asyncio
import itertools
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.workflows import InlineWorker, plain
from treadle import GroupResult, Task, Treadle, at_least, chain, chord, group, signature
from treadle.exceptions import BrokerUnavailable, ChordError, ConfigurationError, JobCancelled, JobNotFound
from treadle.interfaces import Broker
from treadle.observe.current import current_job_var
from treadle.request import Request
from treadle.result import Outcome
from treadle.workflows.graph import GATE
from treadle.workflows.stages import MOST_NODES

LARGE = MOST_NODES * 2 + 200


@pytest.fixture
def app() -> Iterator[Treadle]:
    with Treadle("flows", broker="memory://", set_as_current=True) as app:
        yield app


@pytest.fixture
def worker(app: Treadle) -> Iterator[InlineWorker]:
    worker = InlineWorker(app)
    yield worker
    worker.close()


class Tasks:
    """The tasks of one app."""

    def __init__(self, app: Treadle) -> None:
        self.seen: list[Any] = []

        @app.task(name="add")
        def add(left: int, right: int = 0) -> int:
            return left + right

        @app.task(name="total")
        def total(values: list[int]) -> int:
            return sum(values)

        @app.task(name="fail")
        def fail(*_args: Any) -> None:
            raise ValueError("on purpose")

        @app.task(name="see")
        def see(*args: Any) -> list[Any]:
            self.seen.append(args)
            return [plain(value) for value in args]

        @app.task(name="become", bind=True)
        def become(itself: Task[..., Any], call: Any) -> None:
            itself.replace(call)

        @app.task(name="invite", bind=True)
        def invite(itself: Task[..., Any], count: int) -> int:
            for number in range(count):
                itself.add_to_chord(add.s(100 + number))
            return 0

        self.add, self.total, self.fail, self.see, self.become, self.invite = add, total, fail, see, become, invite


@pytest.fixture
def tasks(app: Treadle) -> Tasks:
    return Tasks(app)


def run(worker: InlineWorker, result: Any) -> Any:
    """Run the whole workflow; its value."""
    worker.run_out(result)
    return result.get(timeout=5)


class TestChains:
    def test_each_step_gets_the_result_of_the_one_before(self, worker: InlineWorker, tasks: Tasks) -> None:
        assert run(worker, chain(tasks.add.s(1, 1), tasks.add.s(2), tasks.add.s(3)).delay()) == 7

    def test_an_immutable_step_takes_nothing(self, worker: InlineWorker, tasks: Tasks) -> None:
        assert run(worker, (tasks.add.s(1, 1) | tasks.add.si(10, 1)).delay()) == 11

    def test_arguments_and_options_of_the_call_go_where_they_belong(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = (tasks.add.s(1) | tasks.add.s(2)).apply_async((5,), priority=7)
        assert run(worker, result) == 8
        assert [each.job().priority for each in (result, result.parent)] == [7, 7]

    def test_the_handles_of_all_steps_are_known_at_once(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chain(tasks.add.s(1), tasks.add.s(2), tasks.add.s(3)).delay()
        ids = [result.id, result.parent.id, result.parent.parent.id]
        assert len(set(ids)) == 3
        assert result.parent.parent.parent is None
        run(worker, result)
        assert [each.get() for each in (result.parent.parent, result.parent, result)] == [1, 3, 6]

    def test_a_chain_fails_with_the_error_of_its_step_and_says_where(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chain(tasks.add.s(1), tasks.fail.s(), tasks.add.s(3)).delay()
        worker.run_out(result)
        with pytest.raises(ValueError, match="on purpose") as caught:
            result.get(timeout=5)
        assert f"add[{result.id}] waited for fail[{result.parent.id}]" in caught.value.__notes__[-1]
        assert (result.state, result.job().reason) == ("FAILURE", "skipped")
        assert [each.id for each in result.failure_path()] == [result.id, result.parent.id]

    def test_a_step_that_was_cancelled_cancels_what_follows(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chain(tasks.add.s(1), tasks.add.s(2)).delay()
        result.parent.revoke()
        with pytest.raises(JobCancelled, match="never run"):
            run(worker, result)

    def test_an_empty_chain_is_nothing(self, tasks: Tasks) -> None:
        assert chain().delay() is None

    def test_a_chain_in_another_is_a_part_of_it(self, worker: InlineWorker, tasks: Tasks) -> None:
        inner = chain(tasks.add.s(1), tasks.add.s(1))
        assert run(worker, chain(tasks.add.s(1), inner, chain(inner, tasks.add.s(1))).delay()) == 6

    def test_a_long_chain_is_stored_in_stages_and_its_jobs_stay_small(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks
    ) -> None:
        result = chain(tasks.add.s(0), *(tasks.add.s(1) for _ in range(LARGE))).delay()
        sizes = [
            len(record.payload) + len(record.options)
            for node in result.workflow.nodes()
            for record in app.broker.get([node.id]).values()
            if node.task == "add"
        ]
        assert len(sizes) == LARGE + 1
        assert max(sizes) < 300
        assert run(worker, result) == LARGE


class TestGroups:
    def test_the_result_is_the_list_of_the_members(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = group(tasks.add.s(number, number) for number in range(4)).delay()
        assert isinstance(result, GroupResult)
        assert run(worker, result) == [0, 2, 4, 6]
        assert [each.get() for each in result.results] == [0, 2, 4, 6]

    def test_members_know_their_group_and_number(self, app: Treadle, worker: InlineWorker, tasks: Tasks) -> None:
        found: list[tuple[Any, ...]] = []

        @app.task(bind=True)
        def who(self: Task[..., Any]) -> None:
            found.append((self.request.group, self.request.group_index))

        result = group([who.s(), who.s()]).delay()
        run(worker, result)
        assert sorted(found) == [(result.id, 0), (result.id, 1)]

    def test_it_counts_and_tells(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = group([tasks.add.s(1, 1), tasks.fail.s()]).delay()
        assert (result.completed_count(), result.ready(), result.waiting(), result.failed()) == (0, False, True, False)
        worker.run_out(result)
        assert (result.completed_count(), result.ready(), result.successful()) == (1, True, False)
        assert result.failed()
        assert (len(result), result[0].get()) == (2, 2)

    def test_the_first_error_is_raised_or_all_are_given(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = group([tasks.add.s(1, 1), tasks.fail.s()]).delay()
        worker.run_out(result)
        with pytest.raises(ValueError, match="on purpose") as caught:
            result.get(timeout=5)
        assert "number 1" in caught.value.__notes__[-1]
        values = result.get(timeout=5, propagate=False)
        assert (values[0], type(values[1])) == (2, ValueError)

    def test_members_come_as_they_end(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = group([tasks.add.s(1).set(priority=0), tasks.add.s(2).set(priority=5)]).delay()
        worker.run_until(result[1].ready)
        members = iter(result)
        assert next(members).id == result[1].id
        worker.run_out(result)
        assert next(members).id == result[0].id
        assert list(members) == []

    def test_members_come_as_they_end_in_a_coroutine(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = group([tasks.add.s(1), tasks.add.s(2)]).delay()
        worker.run_out(result)

        async def collect() -> list[int]:
            return sorted([await member async for member in result])

        assert asyncio.run(collect()) == [1, 2]
        assert asyncio.run(result.aget()) == [1, 2]

    def test_an_empty_group_is_ready_and_has_an_id(self, app: Treadle, tasks: Tasks) -> None:
        result = group([]).delay()
        assert (result.get(timeout=5), result.ready(), result.successful()) == ([], True, True)
        assert app.GroupResult(result.id).results == []

    def test_a_group_is_saved_and_restored_with_its_members(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks
    ) -> None:
        result = group([tasks.add.s(1), tasks.add.s(1) | tasks.add.s(1), group([tasks.add.s(5)])]).delay()
        result.save()
        back = GroupResult.restore(result.id)
        assert [each.id for each in back.results] == [each.id for each in result.results]
        assert run(worker, back) == [1, 2, 5]
        assert pickle.loads(pickle.dumps(result)).id == result.id
        with pytest.raises(JobNotFound):
            GroupResult.restore("nobody")
        with pytest.raises(JobNotFound):
            app.GroupResult(result[0].id)

    def test_a_generator_is_fed_while_its_members_run(self, worker: InlineWorker, tasks: Tasks) -> None:
        ran_meanwhile: list[int] = []

        def members() -> Iterator[Any]:
            for number in range(3 * MOST_NODES):
                if number % MOST_NODES == MOST_NODES - 1:
                    worker.run_some()
                    ran_meanwhile.append(len(worker.ended))
                yield tasks.add.s(number)

        result = group(members()).delay()
        assert ran_meanwhile[0] < ran_meanwhile[-1], "members ran before the generator was exhausted"
        assert len(result.results) == 3 * MOST_NODES
        assert run(worker, result) == list(range(3 * MOST_NODES))

    def test_a_generator_that_raises_ends_what_was_stored(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks
    ) -> None:
        known: list[str] = []

        def members() -> Iterator[Any]:
            for number in range(MOST_NODES + 1):
                yield tasks.add.s(number)
            raise OSError("the file is gone")

        frozen = chord(members(), tasks.total.s())
        known.append(frozen.freeze().id)
        with pytest.raises(OSError, match="the file is gone"):
            frozen.delay()
        body = app.AsyncResult(known[0])
        worker.run_out(body)
        assert body.job().state == "failed"

    def test_one_more_member_can_be_added_while_it_runs(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chord([tasks.add.s(1), tasks.add.s(2)], tasks.total.s()).delay()
        added = result.parent.add(tasks.add.s(3) | tasks.add.s(4))
        assert run(worker, result) == 10
        assert added.get() == 7
        with pytest.raises(ConfigurationError, match="is succeeded"):
            result.parent.add(tasks.add.s(3))

    def test_a_running_member_can_add_more(self, worker: InlineWorker, tasks: Tasks) -> None:
        assert run(worker, chord([tasks.invite.s(2), tasks.add.s(1)], tasks.total.s()).delay()) == 202

    def test_who_is_no_member_can_add_nothing(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = tasks.invite.delay(1)
        with pytest.raises(ConfigurationError, match="no member of a group"):
            run(worker, result)

    def test_revoking_it_cancels_its_members_and_what_follows(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chord([tasks.add.s(1), tasks.add.s(2)], tasks.total.s()).delay()
        result.parent.revoke()
        worker.run_out(result)
        assert [each.state for each in result.parent.results] == ["REVOKED", "REVOKED"]
        assert result.job().reason == "skipped"

    def test_generators_within_a_generator_are_read(self, worker: InlineWorker, tasks: Tasks) -> None:
        inner = (group((tasks.add.s(number, 1) for number in range(2)), queue="default") for _ in range(2))
        assert run(worker, group(inner).delay()) == [[1, 2], [1, 2]]
        chords = (chord((tasks.add.s(number, 1) for number in range(2)), tasks.total.s()) for _ in range(2))
        assert run(worker, group(chords).delay()) == [3, 3]

    @pytest.mark.parametrize("has_step_before", [False, True])
    def test_a_generator_is_published_once(self, worker: InlineWorker, tasks: Tasks, has_step_before: bool) -> None:
        members = group(tasks.add.s(number) for number in range(2))
        call = tasks.add.s(1, 1) | members if has_step_before else members
        assert len(run(worker, call.delay())) == 2
        with pytest.raises(ConfigurationError, match="make the group anew"):
            call.delay()

    def test_two_of_one_id_are_refused(self, tasks: Tasks) -> None:
        call = tasks.add.s(1, 1)
        call.freeze()
        for twice in (group([call, call]), chord([call], tasks.total.s().set(task_id=call.id)), call | call):
            with pytest.raises(ConfigurationError, match="given to two jobs"):
                twice.delay()
        with pytest.raises(ConfigurationError, match="given to two jobs"):
            group(call for _ in range(2)).delay()

    @pytest.mark.parametrize("id", [5, "x" * 256, "a\0b", "\ud800"])
    def test_the_id_of_a_group_is_checked(self, tasks: Tasks, id: Any) -> None:
        with pytest.raises(ConfigurationError, match="task_id"):
            group([tasks.add.s(1)]).apply_async(task_id=id)


class TestChords:
    def test_the_body_gets_the_list_in_order(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chord([tasks.add.s(number) for number in range(5)])(tasks.see.s())
        assert run(worker, result) == [[0, 1, 2, 3, 4]]
        assert isinstance(result.parent, GroupResult)

    @pytest.mark.parametrize("count", [0, 1])
    def test_a_chord_of_none_and_of_one(self, worker: InlineWorker, tasks: Tasks, count: int) -> None:
        assert run(worker, chord([tasks.add.s(1)] * count, tasks.see.s()).delay()) == [[1] * count]

    def test_shapes_within_shapes(self, worker: InlineWorker, tasks: Tasks) -> None:
        add, total = tasks.add, tasks.total
        inner = chord([add.s(1), add.s(2)], total.s())
        assert run(worker, chord([inner, inner, add.s(4)], total.s()).delay()) == 10
        assert run(worker, (add.s(1) | group(add.s(1), add.s(2)) | total.s() | add.s(1)).delay()) == 6
        assert run(worker, (group(add.s(1), add.s(2)) | group(total.s(), total.s())).delay()) == [3, 3]
        assert run(worker, (add.s(1) | group() | total.s()).delay()) == 0
        assert run(worker, (chord([add.s(1)], total.s()) | group(add.s(1), add.s(2))).delay()) == [2, 3]

    def test_a_failed_member_fails_the_body_with_its_error(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chord([tasks.add.s(1), tasks.fail.s()], tasks.see.s()).delay()
        with pytest.raises(ValueError, match="on purpose") as caught:
            run(worker, result)
        assert "waited for treadle.group" in caught.value.__notes__[-1]
        assert tasks.seen == []

    def test_a_body_may_bear_with_failures(self, worker: InlineWorker, tasks: Tasks) -> None:
        run(worker, chord([tasks.add.s(1), tasks.fail.s(), tasks.add.s(3)], tasks.see.s(), join="all_done").delay())
        [(outcomes,)] = tasks.seen
        assert [type(each) for each in outcomes] == [Outcome] * 3
        assert [(each.index, each.state, each.value) for each in outcomes] == [
            (0, "succeeded", 1),
            (1, "failed", None),
            (2, "succeeded", 3),
        ]
        assert outcomes[0].get() == 1
        with pytest.raises(ValueError, match="on purpose"):
            outcomes[1].get()

    def test_a_body_may_do_with_some(self, worker: InlineWorker, tasks: Tasks) -> None:
        header = [tasks.fail.s(), tasks.add.s(1), tasks.add.s(2)]
        run(worker, chord(header, tasks.see.s(), join=at_least(2)).delay())
        assert [each.value for each in tasks.seen[0][0] if each.successful()] == [1, 2]
        result = chord(header, tasks.see.s(), join=at_least(3)).delay()
        with pytest.raises(ValueError, match="on purpose"):
            run(worker, result)

    def test_a_body_may_run_after_any(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chord([tasks.add.s(1).set(priority=9), tasks.add.s(2)], tasks.see.s().set(priority=8), join="any")
        run(worker, result.delay())
        assert [each.value for each in tasks.seen[0][0]] == [1]

    def test_a_wide_one_is_stored_in_stages(self, worker: InlineWorker, tasks: Tasks) -> None:
        whole = tasks.add.s(1) | group([tasks.add.s(number) for number in range(LARGE)]) | tasks.total.s()
        assert run(worker, whole.delay()) == LARGE + sum(range(LARGE))

    def test_links_of_a_chord_go_to_its_body(self, worker: InlineWorker, tasks: Tasks) -> None:
        run(worker, chord([tasks.add.s(1)], tasks.total.s()).apply_async(link=tasks.see.s("linked")))
        assert tasks.seen == [(1, "linked")]


class TestLinks:
    def test_a_callback_gets_the_result(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = tasks.add.apply_async((1, 2), link=[tasks.see.s("first"), tasks.see.si("alone")])
        run(worker, result)
        assert sorted(tasks.seen, key=len) == [("alone",), (3, "first")]

    def test_an_errback_gets_the_request_the_error_and_the_traceback(self, app: Treadle, worker: InlineWorker) -> None:
        seen: list[Any] = []

        @app.task
        def complain(request: Any, error: BaseException, traceback: str, extra: str) -> None:
            seen.append((request, error, traceback, extra))

        @app.task(name="fails")
        def fails(number: int) -> None:
            raise KeyError(number)

        result = fails.s(3).on_error(complain.s("extra")).delay()
        worker.run_out(result)
        [(request, error, traceback, extra)] = seen
        assert (request.id, request.task, request.args, request.reason) == (result.id, "fails", [3], "error")
        assert (type(error), extra) == (KeyError, "extra")
        assert "KeyError: 3" in traceback

    def test_an_errback_that_takes_one_argument_gets_the_id(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks
    ) -> None:
        seen: list[str] = []

        @app.task
        def note(id: str) -> None:
            seen.append(id)

        result = tasks.fail.s().on_error(note.s()).delay()
        worker.run_out(result)
        assert seen == [result.id]

    def test_a_chains_errback_is_called_once(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chain(tasks.add.s(1), tasks.fail.s(), tasks.add.s(2)).on_error(tasks.see.s()).delay()
        worker.run_out(result)
        [(request, error, _)] = tasks.seen
        assert (request.id, type(error)) == (result.parent.id, ValueError)

    def test_what_was_not_needed_ends_too(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = tasks.add.s(1).on_error(tasks.see.s()).delay()
        assert run(worker, result) == 1
        [errback] = result.children
        assert errback.job().reason == "unneeded"

    def test_an_immutable_errback_gets_its_own_arguments_only(self, worker: InlineWorker, tasks: Tasks) -> None:
        worker.run_out(tasks.fail.s().on_error(tasks.see.si("own")).delay())
        assert tasks.seen == [("own",)]

    @pytest.mark.parametrize("shape", [chain, group])
    def test_the_first_steps_of_an_errback_that_is_a_workflow_get_the_error(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks, shape: Any
    ) -> None:
        @app.task
        def complain(request: Any, error: BaseException, traceback: str) -> None:
            tasks.seen.append((request.id, type(error)))

        result = (tasks.add.s(1, 1) | tasks.fail.s()).on_error(shape(complain.s(), tasks.see.si("then"))).delay()
        worker.run_out(result)
        assert sorted(tasks.seen, key=len) == [("then",), (result.id, ValueError)]

    def test_an_errback_is_called_once_for_a_chain_with_an_empty_one_in_it(
        self, worker: InlineWorker, tasks: Tasks
    ) -> None:
        steps = chain(tasks.fail.s(), chain(queue="default"), tasks.add.s(1))
        worker.run_out(steps.on_error(tasks.see.si("once")).delay())
        assert tasks.seen == [("once",)]

    def test_a_whole_workflow_may_be_linked(self, worker: InlineWorker, tasks: Tasks) -> None:
        tasks_after = tasks.add.s(1) | tasks.see.s()
        run(worker, tasks.add.apply_async((1,), link=tasks_after))
        assert tasks.seen == [(2,)]


class TestDependencies:
    def test_a_job_waits_for_handles_and_ids(self, worker: InlineWorker, tasks: Tasks) -> None:
        first, second = tasks.see.delay("first"), tasks.see.delay("second")
        last = tasks.see.apply_async(("last",), after=[first, second.id])
        assert run(worker, last) == ["last"]
        assert [args[0] for args in tasks.seen] == ["first", "second", "last"]

    def test_a_job_that_ended_is_not_waited_for(self, worker: InlineWorker, tasks: Tasks) -> None:
        first = tasks.see.delay("first")
        run(worker, first)
        assert run(worker, tasks.see.apply_async(("last",), after=first.id)) == ["last"]

    def test_it_never_runs_if_one_of_them_fails(self, worker: InlineWorker, tasks: Tasks) -> None:
        first = tasks.fail.delay()
        result = tasks.see.apply_async(after=[first])
        with pytest.raises(ValueError, match="on purpose"):
            run(worker, result)

    def test_calls_that_are_named_are_made_once(self, worker: InlineWorker, tasks: Tasks) -> None:
        a, b = tasks.see.si("a"), tasks.see.si("b")
        c = tasks.see.si("c").set(after=[a, b])
        d = tasks.see.si("d").set(after=[a])
        run(worker, group([c, d, tasks.see.si("e").set(after=[c])]).delay())
        order = [args[0] for args in tasks.seen]
        assert sorted(order) == ["a", "b", "c", "c", "d", "e"] or sorted(order) == ["a", "b", "c", "d", "e"]
        assert order.index("a") < order.index("d")
        assert max(order.index("a"), order.index("b")) < order.index("c") < order.index("e")

    def test_whoever_is_named_twice_is_waited_for_once(self, worker: InlineWorker, tasks: Tasks) -> None:
        first, call = tasks.see.delay("first"), tasks.see.si("call")
        run(worker, tasks.see.apply_async(("last",), after=[first, first.id, call, call]))
        assert [args[0] for args in tasks.seen] == ["first", "call", "last"]

    def test_a_group_may_be_waited_for(self, worker: InlineWorker, tasks: Tasks) -> None:
        members = group([tasks.see.s("m"), tasks.see.s("m")]).delay()
        run(worker, tasks.see.apply_async(("last",), after=members))
        assert [args[0] for args in tasks.seen] == ["m", "m", "last"]

    def test_whom_nobody_knows_cannot_be_waited_for(self, tasks: Tasks) -> None:
        with pytest.raises(ConfigurationError, match=r"'nobody'.*not known"):
            tasks.see.apply_async(after=["nobody"])


class TestReplacing:
    def test_a_job_becomes_another(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = (tasks.become.s(tasks.add.s(1, 2)) | tasks.add.s(10)).delay()
        assert run(worker, result) == 13
        assert result.parent.get() == 3
        assert result.parent.job().is_join

    def test_a_job_becomes_a_group_whose_list_is_its_value(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = tasks.become.delay(group([tasks.add.s(1), tasks.add.s(2)]))
        assert run(worker, result) == [1, 2]

    def test_a_member_of_a_chord_becomes_a_chord(self, worker: InlineWorker, tasks: Tasks) -> None:
        inner = chord([tasks.add.s(1), tasks.add.s(2)], tasks.total.s())
        assert run(worker, chord([tasks.become.s(inner), tasks.add.s(4)], tasks.total.s()).delay()) == 7

    def test_a_large_one_replaces_too(self, worker: InlineWorker, tasks: Tasks) -> None:
        whole = group([tasks.add.s(1) for _ in range(LARGE)]) | tasks.total.s()
        assert run(worker, tasks.become.delay(whole)) == LARGE

    def test_a_replacement_of_a_replacement(self, worker: InlineWorker, tasks: Tasks) -> None:
        call: Any = tasks.add.s(1, 1)
        for _ in range(5):
            call = tasks.become.s(call)
        assert run(worker, call.delay()) == 2

    def test_its_error_is_the_jobs_own(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = tasks.become.s(tasks.fail.s()).on_error(tasks.see.s()).delay()
        with pytest.raises(ValueError, match="on purpose"):
            run(worker, result)
        assert len(tasks.seen) == 1

    def test_an_empty_chain_replaces_nothing(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = tasks.become.delay(chain())
        with pytest.raises(ConfigurationError, match="empty chain"):
            run(worker, result)

    def test_outside_a_job_it_is_refused(self, tasks: Tasks) -> None:
        with pytest.raises(ConfigurationError, match=r"replace\(\) was called outside a job"):
            tasks.add.replace(tasks.add.s(1))

    def test_a_coroutine_may_replace_itself(self, app: Treadle, worker: InlineWorker, tasks: Tasks) -> None:
        @app.task(bind=True)
        async def turn(self: Task[..., Any]) -> None:
            await self.areplace(tasks.add.s(1, 2))

        assert run(worker, turn.delay()) == 3

    def test_what_replaces_a_job_needs_an_id_of_its_own(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = tasks.become.s(tasks.add.s(1, 2).set(task_id="own")).apply_async(task_id="own")
        with pytest.raises(ConfigurationError, match="own id"):
            run(worker, result)

    def test_a_job_that_replaces_itself_is_restarted_with_what_replaced_it(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks
    ) -> None:
        result = tasks.become.delay(tasks.fail.s())
        worker.run_out(result)
        assert result.workflow.progress().total == 2
        assert len(result.workflow.retry()) == 1
        assert app.AsyncResult(result.id).state == "PENDING"


class TestInputs:
    def test_an_outage_while_inputs_are_read_releases_the_job(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = (tasks.add.s(1) | tasks.add.s(1)).delay()
        worker.run_some()
        outages = [BrokerUnavailable("gone for a moment")] * 3
        inputs = app.broker.inputs

        def unsteady(*args: Any, **kwargs: Any) -> Any:
            if outages:
                raise outages.pop()
            return inputs(*args, **kwargs)

        monkeypatch.setattr(app.broker, "inputs", unsteady)
        assert run(worker, result) == 2
        assert (outages, result.job().attempt) == ([], 1)

    def test_a_retry_with_other_arguments_does_not_take_its_input_again(
        self, app: Treadle, worker: InlineWorker
    ) -> None:
        @app.task(name="again", bind=True)
        def again(self: Task[..., Any], *args: int) -> list[int]:
            if self.request.retries == 0:
                raise self.retry(args=(*args, 99), countdown=0)
            return list(args)

        @app.task(name="one")
        def one() -> int:
            return 1

        assert run(worker, (one.s() | again.s(2)).delay()) == [1, 2, 99]

    def test_a_step_that_is_run_again_alone_takes_its_input_again(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks
    ) -> None:
        result = (tasks.add.s(1) | tasks.see.s()).delay()
        run(worker, result)
        app.broker.requeue([result.id])
        worker.run_out(result)
        assert tasks.seen == [(1,), (1,)]

    def test_a_skipped_step_that_is_run_alone_fails_with_the_error_before_it(
        self, app: Treadle, worker: InlineWorker, tasks: Tasks
    ) -> None:
        result = (tasks.fail.s() | tasks.see.s()).delay()
        worker.run_out(result)
        app.broker.requeue([result.id])
        with pytest.raises(ValueError, match="on purpose"):
            run(worker, app.AsyncResult(result.id))
        assert tasks.seen == []

    def test_arguments_that_can_never_fit_are_refused_at_the_call(self, tasks: Tasks) -> None:
        with pytest.raises(TypeError):
            (tasks.add.s(1) | tasks.add.s(1, 2)).delay()
        with pytest.raises(TypeError):
            chord([tasks.add.s(1)], tasks.total.s(no=1)).delay()


class TestTheWhole:
    def test_its_progress_is_counted(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chord([tasks.add.s(1), tasks.add.s(2), tasks.fail.s()], tasks.total.s()).delay()
        before = result.workflow.progress()
        assert (before.total, before.done, str(before)) == (4, 0, "0/4 (1 blocked, 3 queued)")
        worker.run_out(result)
        assert dict(result.workflow.progress().states) == {"succeeded": 2, "failed": 2}

    def test_it_is_cancelled_as_a_whole(self, app: Treadle, worker: InlineWorker, tasks: Tasks) -> None:
        result = chain(tasks.add.s(1), tasks.add.s(2), tasks.add.s(3)).delay()
        assert app.workflow(result.id).cancel() == 3
        worker.run_out(result)
        assert set(result.workflow.progress().states) <= {"cancelled", "failed"}

    def test_it_is_retried_from_where_it_failed(self, app: Treadle, worker: InlineWorker, tasks: Tasks) -> None:
        broken = [True]

        @app.task(name="flaky")
        def flaky(value: int) -> int:
            tasks.seen.append(value)
            if broken:
                raise OSError("the service is away")
            return value

        result = chord([tasks.add.s(1) | flaky.s(), tasks.add.s(2)], tasks.total.s()).delay()
        with pytest.raises(OSError, match="away"):
            run(worker, result)
        broken.clear()
        again = app.AsyncResult(result.id)
        assert len(again.workflow.retry()) == 1
        assert run(worker, again) == 3
        assert tasks.seen == [1, 1]

    def test_pictures_of_it(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = (chord([tasks.add.s(1)] * 20, tasks.total.s()).on_error(tasks.see.s())).delay()
        workflow = result.workflow
        text = workflow.draw()
        assert f"total {result.id}: blocked" in text
        assert "9 more: 9 queued" in text
        assert "on failure: " in text
        assert workflow.draw("dot").startswith("digraph workflow {")
        assert workflow.draw("mermaid").count("-->") == 21

    def test_a_long_chain_is_drawn_without_recursion(self, tasks: Tasks) -> None:
        result = chain(tasks.add.s(0), *(tasks.add.s(1) for _ in range(LARGE))).delay()
        assert len(result.workflow.draw().splitlines()) >= LARGE

    def test_children_and_collect_follow_it(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = chain(tasks.add.s(1), tasks.add.s(2), tasks.add.s(3)).delay()
        worker.run_out(result)
        first = result.parent.parent
        assert [child.id for child in first.children] == [result.parent.id]
        assert [value for _, value in first.collect(timeout=5)] == [1, 3, 6]

    def test_it_is_published_many_at_once(self, app: Treadle, worker: InlineWorker, tasks: Tasks) -> None:
        calls = [tasks.add.s(1), tasks.add.s(1) | tasks.add.s(2), group([tasks.add.s(4)]), tasks.add.s(5)]
        results = app.publish_many(calls)
        for result in results:
            worker.run_out(result)
        assert [result.get() for result in results] == [1, 3, [4], 5]

    def test_it_is_published_from_a_coroutine(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = asyncio.run((tasks.add.s(1) | tasks.add.s(2)).adelay())
        assert run(worker, result) == 3
        linked = asyncio.run(tasks.add.aapply_async((1,), link=tasks.see.s()))
        run(worker, linked)
        assert tasks.seen == [(1,)]

    def test_ids_are_known_before_the_call(self, worker: InlineWorker, tasks: Tasks) -> None:
        whole = tasks.add.s(1) | group([tasks.add.s(2), tasks.add.s(3)])
        frozen = whole.freeze("mine")
        assert (frozen.id, [len(member.id) for member in frozen.results]) == ("mine", [36, 36])
        back = signature(json.loads(json.dumps(whole)))
        result = back.delay()
        assert [each.id for each in result.results] == [each.id for each in frozen.results]
        assert run(worker, result) == [3, 4]

    def test_waiting_for_it_inside_a_task_is_refused(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = group([tasks.add.s(1)]).delay()
        token = current_job_var.set(Request.direct(tasks.add))
        try:
            for wait in (result.get, lambda: next(iter(result))):
                with pytest.raises(RuntimeError, match="blocks a worker slot"):
                    wait()
        finally:
            current_job_var.reset(token)


class TestMapping:
    def test_one_job_does_it_for_many(self, worker: InlineWorker, tasks: Tasks) -> None:
        assert run(worker, tasks.add.map([1, 2, 3]).delay()) == [1, 2, 3]
        assert run(worker, tasks.add.starmap([(1, 2), (3, 4)]).delay()) == [3, 7]

    def test_chunks_are_a_group_of_such_jobs(self, worker: InlineWorker, tasks: Tasks) -> None:
        result = tasks.add.chunks([(number, number) for number in range(7)], 3)()
        assert run(worker, result) == [[0, 2, 4], [6, 8, 10], [12]]

    def test_a_coroutine_task_is_mapped_too(self, app: Treadle, worker: InlineWorker) -> None:
        @app.task
        async def double(value: int) -> int:
            return 2 * value

        assert run(worker, double.map([1, 2]).delay()) == [2, 4]

    def test_they_are_parts_of_workflows(self, worker: InlineWorker, tasks: Tasks) -> None:
        assert run(worker, (tasks.add.chunks([(1, 1), (2, 2)], 1) | tasks.see.s()).delay()) == [[[2], [4]]]


class Unsteady:
    """A broker that is gone from a certain call on."""

    def __init__(self, broker: Broker, *, after: int) -> None:
        self._broker = broker
        self._left = after

    def publish(self, jobs: Any, **options: Any) -> None:
        self._left -= 1
        if self._left < 0:
            raise BrokerUnavailable("the server is gone")
        self._broker.publish(jobs, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class TestAProducerThatIsGone:
    @pytest.mark.parametrize(("shape", "calls"), list(itertools.product(["chain", "chord", "fan out"], [1, 2, 3])))
    def test_what_was_stored_of_a_large_workflow_ends(
        self, tasks: Tasks, worker: InlineWorker, shape: str, calls: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = worker.app
        members = [tasks.add.s(1) for _ in range(LARGE)]
        shapes: dict[str, Any] = {
            "chain": chain(tasks.add.s(0), *members),
            "chord": chord(members, tasks.total.s()),
            "fan out": tasks.add.s(0) | group(members) | tasks.total.s(),
        }
        whole = shapes[shape]
        end = whole.freeze().id
        broker = app.broker
        monkeypatch.setattr(app, "_broker", Unsteady(broker, after=calls))
        with pytest.raises(BrokerUnavailable):
            whole.delay()
        monkeypatch.setattr(app, "_broker", broker)

        nodes = list(app.workflow(end).nodes())
        assert nodes
        assert any(node.task == GATE and node.state == "cancelled" for node in nodes)
        worker.drain()
        worker.run_until(lambda: all(app.broker.get([node.id])[node.id].is_final for node in nodes))

    def test_a_gate_that_was_lost_is_told_to_the_producer(self, app: Treadle, tasks: Tasks) -> None:
        def members() -> Iterator[Any]:
            yield tasks.add.s(1)
            [workflow] = {node.workflow for node in app.broker.query(_anything()).records if node.workflow}
            app.workflow(workflow).cancel()

        with pytest.raises(ChordError, match="given up while it was being stored"):
            chord(members(), tasks.total.s()).delay()


def _anything() -> Any:
    from treadle.interfaces import Filter

    return Filter()


class TestEager:
    @pytest.fixture
    def app(self) -> Iterator[Treadle]:
        with Treadle("eager", broker="memory://", task_always_eager=True, set_as_current=True) as app:
            yield app

    def test_whole_workflows_run_on_the_spot(self, tasks: Tasks) -> None:
        add, total = tasks.add, tasks.total
        assert (add.s(1) | add.s(2)).delay().get() == 3
        assert (group(add.s(number) for number in range(3)) | total.s()).delay().get() == 3
        assert group([add.s(1), add.s(2)]).delay().get() == [1, 2]
        assert tasks.become.delay(group([add.s(1), add.s(2)]) | total.s()).get() == 3
        assert chord([tasks.invite.s(1), add.s(1)], total.s()).delay().get() == 101

    def test_links_and_errors_are_as_with_a_worker(self, tasks: Tasks) -> None:
        result = chain(tasks.add.s(1), tasks.fail.s(), tasks.add.s(1)).on_error(tasks.see.s()).delay()
        assert (result.state, len(tasks.seen)) == ("FAILURE", 1)
        with pytest.raises(ValueError, match="on purpose"):
            result.get()

    def test_apply_runs_here_whatever_the_settings_say(self, app: Treadle, tasks: Tasks) -> None:
        app.conf.task_always_eager = False
        assert (tasks.add.s(1) | tasks.add.s(2).set(countdown=3600)).apply().get() == 3
        with pytest.raises(ValueError, match="on purpose"):
            (tasks.add.s(1) | tasks.fail.s()).apply(throw=True)

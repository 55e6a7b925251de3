"""The middleware stack: order, folding, and refusal of wrong shapes."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import ConfigurationError
from treadle.job import Job
from treadle.middleware import Middleware, MiddlewareStack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from treadle.middleware import AexecuteCall, ExecuteCall, PublishCall

JOBS = [Job("1", "app.add", b"")]


class Both(Middleware):
    def __init__(self, name: str) -> None:
        self.name = name

    def execute(self, call_next: ExecuteCall, request: Any) -> Any:
        return f"{self.name}({call_next(request)})"

    async def aexecute(self, call_next: AexecuteCall, request: Any) -> Any:
        return f"{self.name}({await call_next(request)})"


class Around(Middleware):
    def __init__(self, log: list[str]) -> None:
        self.log = log

    @contextmanager
    def around(self, request: Any) -> Iterator[None]:
        self.log.append(f"enter {request}")
        try:
            yield
        finally:
            self.log.append(f"leave {request}")


class Publishing(Middleware):
    def publish(self, call_next: PublishCall, jobs: Sequence[Job]) -> object:
        return call_next([job._replace(queue="urgent") for job in jobs])


def run(request: object) -> object:
    return request


async def arun(request: object) -> object:
    return request


def publish(jobs: Sequence[Job]) -> list[str]:
    return [job.queue for job in jobs]


class TestFolding:
    def test_an_empty_stack_is_the_call_itself(self) -> None:
        stack = MiddlewareStack()
        assert stack.fold_execute(run) is run
        assert stack.fold_aexecute(arun) is arun
        assert stack.fold_publish(publish) is publish

    def test_the_first_is_the_outermost(self) -> None:
        stack = MiddlewareStack([Both("a"), Both("b")])
        assert stack.fold_execute(run)("x") == "a(b(x))"
        assert asyncio.run(stack.fold_aexecute(arun)("x")) == "a(b(x))"

    def test_publishing_may_change_the_jobs(self) -> None:
        assert MiddlewareStack([Publishing()]).fold_publish(publish)(JOBS) == ["urgent"]

    def test_what_has_nothing_to_say_in_a_form_is_left_out_of_it(self) -> None:
        stack = MiddlewareStack([Publishing()])
        assert stack.fold_execute(run) is run
        assert MiddlewareStack([Both("a")]).fold_publish(publish) is publish

    def test_around_serves_sync_and_async_tasks(self) -> None:
        log: list[str] = []
        stack = MiddlewareStack([Around(log)])
        assert stack.fold_execute(run)("x") == "x"
        assert asyncio.run(stack.fold_aexecute(arun)("y")) == "y"
        assert log == ["enter x", "leave x", "enter y", "leave y"]

    def test_around_is_left_when_the_task_fails(self) -> None:
        log: list[str] = []

        def fails(request: object) -> None:
            raise LookupError(request)

        with pytest.raises(LookupError):
            MiddlewareStack([Around(log)]).fold_execute(fails)("x")
        assert log == ["enter x", "leave x"]

    def test_an_error_swallowed_by_around_makes_the_result_none(self) -> None:
        class Forgiving(Middleware):
            def around(self, request: Any) -> AbstractContextManager[object]:
                return suppress(LookupError)

        def fails(request: object) -> None:
            raise LookupError(request)

        assert MiddlewareStack([Forgiving()]).fold_execute(fails)("x") is None

    def test_it_is_folded_once(self) -> None:
        stack = MiddlewareStack([Both("a")])
        assert stack.fold_execute(run) is stack.fold_execute(run)

    def test_another_innermost_call_is_folded_anew(self) -> None:
        stack = MiddlewareStack([Both("a")])
        stack.fold_execute(run)
        assert stack.fold_execute(lambda _: "other")("x") == "a(other)"

    def test_a_change_after_the_first_use_is_seen_by_the_next_fold(self) -> None:
        stack = MiddlewareStack([Both("a")])
        before = stack.fold_execute(run)
        stack.append(Both("b"))
        assert (before("x"), stack.fold_execute(run)("x")) == ("a(x)", "a(b(x))")

    @given(st.lists(st.tuples(st.sampled_from(["append", "insert", "remove"]), st.integers(0, 9)), max_size=20))
    def test_however_it_was_changed_it_runs_in_the_order_of_its_iteration(self, changes: list[tuple[str, int]]) -> None:
        stack, expected = MiddlewareStack(), list[Both]()
        for number, (change, index) in enumerate(changes):
            if change == "remove" and expected:
                stack.remove(expected.pop(index % len(expected)))
            elif change == "insert":
                expected.insert(index, Both(str(number)))
                stack.insert(index, expected[min(index, len(expected) - 1)])
            else:
                expected.append(Both(str(number)))
                stack.append(expected[-1])
            nested = "x"
            for each in reversed(expected):
                nested = f"{each.name}({nested})"
            assert (list(stack), len(stack)) == (expected, len(expected))
            assert stack.fold_execute(run)("x") == nested

    def test_removing_what_is_not_there_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="is not in the stack"):
            MiddlewareStack().remove(Both("a"))


class OnlyExecute(Middleware):
    def execute(self, call_next: ExecuteCall, request: Any) -> Any: ...


class OnlyAexecute(Middleware):
    async def aexecute(self, call_next: AexecuteCall, request: Any) -> Any: ...


class PlainAexecute(OnlyExecute):
    def aexecute(self, call_next: AexecuteCall, request: Any) -> Any: ...


class AsyncExecute(OnlyAexecute):
    async def execute(self, call_next: ExecuteCall, request: Any) -> Any: ...


class AsyncAround(Middleware):
    @asynccontextmanager
    async def around(self, request: Any) -> Any:  # type: ignore[override]
        yield


class Ambiguous(Both):
    def around(self, request: Any) -> Any: ...


class TooFew(Middleware):
    def publish(self, jobs: Any) -> Any: ...  # type: ignore[override]


class TestShapes:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (OnlyExecute(), r"only one of execute and aexecute.* around\(request\)"),
            (OnlyAexecute(), "only one of execute and aexecute"),
            (PlainAexecute(), "PlainAexecute.aexecute is a plain method"),
            (AsyncExecute(), "AsyncExecute.execute is asynchronous"),
            (AsyncAround(), "AsyncAround.around is asynchronous"),
            (Ambiguous("a"), "both around and execute"),
            (TooFew(), r"TooFew.publish takes the wrong parameters; expected \(self, call_next, jobs\)"),
            (Middleware(), "overrides none"),
            (Publishing, "is a class; give an object"),
            (run, "is not a middleware; derive it"),
        ],
    )
    def test_a_wrong_shape_is_refused_when_it_is_added(self, wrong: Any, message: str) -> None:
        stack = MiddlewareStack()
        with pytest.raises(ConfigurationError, match=message):
            stack.append(wrong)
        assert len(stack) == 0

"""Handles of jobs, and calls that have not been made yet."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle import AsyncResult, Signature, Treadle, signature
from treadle.exceptions import JobCancelled, JobNotFound
from treadle.interfaces import Consumer
from treadle.job import Delivery
from treadle.naming import dotted_path, task_name
from treadle.observe.current import current_job_var
from treadle.result import allow_join_result
from treadle.serialization.failure import encode_failure
from treadle.settlement import Complete, Fail, Retry


@pytest.fixture
def app() -> Iterator[Treadle]:
    with Treadle("app", broker="memory://") as app:
        yield app


@pytest.fixture
def consumer(app: Treadle) -> Consumer:
    app.broker.open_lease("lease", 60)
    return app.broker.consumer("lease", ["default"])


@pytest.fixture
def result(app: Treadle) -> AsyncResult[Any]:
    return app.send_task("task", (1,))


@pytest.fixture
def delivery(result: AsyncResult[Any], consumer: Consumer) -> Delivery:
    return consumer.claim(1, idle=True).deliveries[0]


class TestStates:
    def test_a_waiting_job_is_pending_and_nothing_more(self, result: AsyncResult[Any]) -> None:
        assert (result.state, result.status, result.result, result.info) == ("PENDING", "PENDING", None, None)
        assert [result.ready(), result.successful(), result.failed()] == [False] * 3
        assert (result.traceback, result.date_done, result.children, result.parent) == (None, None, [], None)

    def test_a_running_job_shows_its_progress(
        self, app: Treadle, result: AsyncResult[Any], consumer: Consumer, delivery: Delivery
    ) -> None:
        assert (result.state, result.info) == ("STARTED", None)
        consumer.note(delivery, app.result_codec.encode(["HALFWAY", {"at": 50}]))
        assert (result.state, result.info) == ("HALFWAY", {"at": 50})

    def test_a_job_that_waits_for_a_retry_shows_why(
        self, result: AsyncResult[Any], consumer: Consumer, delivery: Delivery
    ) -> None:
        consumer.settle([Retry(delivery, 60_000, encode_failure(LookupError("gone")))])
        assert (result.state, repr(result.result)) == ("RETRY", "LookupError('gone')")
        assert not result.ready()

    def test_a_job_that_ended_well(
        self, app: Treadle, result: AsyncResult[Any], consumer: Consumer, delivery: Delivery
    ) -> None:
        consumer.settle([Complete(delivery, app.result_codec.encode({"x": 1}))])
        assert (result.state, result.result, result.get(), result.maybe_throw()) == ("SUCCESS", *[{"x": 1}] * 3)
        assert result.successful()
        assert result.date_done is not None
        assert list(result.collect()) == [(result, {"x": 1})]

    def test_a_job_that_failed(self, result: AsyncResult[Any], consumer: Consumer, delivery: Delivery) -> None:
        consumer.settle([Fail(delivery, "error", encode_failure(LookupError("gone")))])
        assert (result.state, result.failed()) == ("FAILURE", True)
        assert isinstance(result.get(propagate=False), LookupError)
        for throw in (result.get, result.maybe_throw, result.wait):
            with pytest.raises(LookupError, match="gone"):
                throw()

    def test_a_job_that_was_revoked(self, result: AsyncResult[Any]) -> None:
        result.revoke()
        assert result.state == "REVOKED"
        with pytest.raises(JobCancelled, match="revoked"):
            result.get()

    def test_an_id_that_nobody_knows_is_an_error(self, app: Treadle, result: AsyncResult[Any]) -> None:
        with pytest.raises(JobNotFound):
            app.AsyncResult("nobody").state  # noqa: B018 - reading it is the point
        result.forget()
        with pytest.raises(JobNotFound):
            result.ready()


def test_waiting_inside_a_task_is_refused_unless_it_is_meant(result: AsyncResult[Any], delivery: Delivery) -> None:
    token = current_job_var.set(delivery)
    try:
        with pytest.raises(RuntimeError, match="blocks a worker slot"):
            result.get()
        with pytest.raises(TimeoutError):
            result.get(timeout=0, disable_sync_subtasks=False)
        with pytest.raises(TimeoutError), allow_join_result():
            result.get(timeout=0)
        for blocks in (result.get, result.wait, lambda: list(result.collect())):
            with pytest.raises(RuntimeError, match="`await` the handle"):
                blocks()
    finally:
        current_job_var.reset(token)


def test_handles_are_equal_to_others_of_the_id_and_to_the_id(app: Treadle) -> None:
    assert AsyncResult("a", app=app) == AsyncResult("a") == "a"
    assert AsyncResult("a") != AsyncResult("b")
    assert {AsyncResult("a"), AsyncResult("a"), "a"} == {"a"}
    assert str(AsyncResult("a")) == "a"


_ARGS = st.lists(st.integers(), max_size=3)
_KWARGS = st.dictionaries(st.sampled_from("xyz"), st.integers())


class TestSignatures:
    @given(_ARGS, _KWARGS, _ARGS, _KWARGS)
    def test_a_partial_puts_new_arguments_in_front_and_lets_new_keywords_win(
        self, args: list[int], kwargs: dict[str, int], more: list[int], more_kwargs: dict[str, int]
    ) -> None:
        call = Signature("task", args, kwargs).clone(more, more_kwargs)
        assert call.args == more + args
        assert call.kwargs == kwargs | more_kwargs

    @given(_ARGS, _ARGS)
    def test_an_immutable_one_takes_options_only(self, args: list[int], more: list[int]) -> None:
        call = Signature("task", args, immutable=True).clone(more, {"x": 1}, queue="slow")
        assert (call.args, call.kwargs, call.options) == (args, {}, {"queue": "slow"})

    @given(_ARGS, _KWARGS)
    def test_it_survives_json_and_pickle(self, args: list[int], kwargs: dict[str, int]) -> None:
        call = Signature("task", args, kwargs, {"queue": "slow"})
        assert signature(json.loads(json.dumps(call))) == call == pickle.loads(pickle.dumps(call))

    def test_a_copy_shares_nothing_with_the_original(self) -> None:
        original = Signature("task", [1], {"x": 1}, {"queue": "a"})
        original.clone().set(queue="b", immutable=True).args.append(2)
        assert (original.args, original.options, original.immutable) == ([1], {"queue": "a"}, False)

    def test_it_publishes_and_it_runs(self, app: Treadle) -> None:
        @app.task
        def add(x: int, y: int) -> int:
            return x + y

        assert add.s(2)(1) == 3
        record = add.s(2).set(queue="slow").delay(1).job()
        assert (app.codec.decode_call(record.payload)[0], record.queue) == ([1, 2], "slow")


class TestNames:
    def test_a_modules_task_is_named_after_it(self) -> None:
        assert task_name(json.dumps, "app") == "json.dumps"

    @pytest.mark.parametrize(
        ("file", "name"), [("script.py", "script"), ("shop/tasks.py", "shop.tasks"), ("shop/__main__.py", "shop")]
    )
    def test_a_scripts_task_is_named_as_a_worker_imports_it(self, tmp_path: Path, file: str, name: str) -> None:
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "__init__.py").touch()
        assert dotted_path(tmp_path / file) == name

    def test_without_a_script_the_app_gives_the_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def work() -> None: ...

        main = type(sys)("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        work.__module__ = "__main__"
        assert task_name(work, "console") == "console.work"
        assert task_name(work, None) == "__main__.work"

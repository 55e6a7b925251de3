"""Batch tasks, as far as no worker is needed: options, calls on the spot, and what is made of an answer."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable
from typing import Any

import pytest

from treadle import Batch, Task, Treadle, current_job, shared_task
from treadle.exceptions import BatchAnswerError, ConfigurationError, JobCancelled
from treadle.execution.batch_runner import BatchRun, BatchRunner
from treadle.job import Delivery
from treadle.request import Request
from treadle.settlement import Cancel, Complete, Fail, Retry, Settlement
from treadle.worker.board import Board, board_size
from treadle.worker.child.bundle import Bundle
from treadle.worker.child.collector import Collector
from treadle.worker.child.desk import Desk
from treadle.worker.child.pace import Pace
from treadle.worker.members import Members


@pytest.fixture
def app() -> Treadle:
    return Treadle("batches", broker="memory://", set_as_current=False)


# Options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, -1, 10_001, 1.5, True, "10"])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(ConfigurationError, match="whole number from 1 to 10000"):
        Batch(size=size)


@pytest.mark.parametrize("wait_s", [-1, float("nan"), float("inf"), True, "1"])
def test_a_wait_that_is_none_is_refused(wait_s: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected seconds"):
        Batch(wait_s=wait_s)


def test_something_else_than_a_batch_is_refused(app: Treadle) -> None:
    with pytest.raises(ConfigurationError, match=r"batch=100: expected Batch"):
        app.task(batch=100)(lambda requests: None)  # type: ignore[call-overload]


def test_settings_cannot_make_a_task_a_batch_task(app: Treadle) -> None:
    app.conf.task_annotations = {"*": {"batch": Batch()}}
    with pytest.raises(ConfigurationError, match="batch"):
        app.task(lambda: None)


# On the spot -------------------------------------------------------------------------------------------


def test_a_job_on_the_spot_is_a_batch_of_one(app: Treadle) -> None:
    @app.task(batch=Batch(size=5))
    def total(requests: list[Request]) -> list[int]:
        return [sum(request.args) + request.kwargs.get("more", 0) for request in requests]

    assert total.apply((1, 2), {"more": 3}).get() == 6


def test_a_bound_coroutine_gets_itself_first(app: Treadle) -> None:
    @app.task(batch=Batch(), bind=True)
    async def named(self: Task[..., Any], requests: list[Request]) -> list[str]:
        return [self.name for _ in requests]

    assert named.apply().get() == named.name


def test_a_shared_task_and_a_class_can_be_batch_tasks(app: Treadle) -> None:
    @shared_task(batch=Batch())
    def shared_total(requests: list[Request]) -> list[int]:
        return [sum(request.args) for request in requests]

    class Total(Task[..., Any]):
        batch = Batch(size=3)

        def run(self, requests: list[Request]) -> list[int]:
            return [sum(request.args) for request in requests]

    assert app.tasks[shared_total.name].apply((1, 2)).get() == 3
    assert app.register_task(Total()).apply((3, 4)).get() == 7


def test_an_error_on_the_spot_is_the_jobs(app: Treadle) -> None:
    @app.task(batch=Batch(), autoretry_for=(OSError,), max_retries=2, default_retry_delay=0)
    def fails(requests: list[Request]) -> list[Exception]:
        return [OSError(f"attempt {request.attempt}") for request in requests]

    assert str(fails.apply().get(propagate=False)) == "attempt 3"


def test_no_answer_is_none_for_each(app: Treadle) -> None:
    @app.task(batch=Batch())
    def silent(requests: list[Request]) -> None: ...

    assert silent.apply().get() is None


def test_called_as_a_function_it_wants_its_list(app: Treadle) -> None:
    @app.task(batch=Batch())
    def count(requests: list[Request]) -> list[int]:
        return [len(requests)]

    assert count([]) == [0]


# A batch -----------------------------------------------------------------------------------------------


def run_batch(app: Treadle, task: Task[..., Any], *arguments: Any) -> list[Settlement]:
    """The settlements of one call with a job per argument."""
    runner = BatchRunner(app)
    requests = [
        runner.prepare(
            Delivery(
                str(number), task.name, app.codec.encode_call((each,), {}), "q", 0, b"", 1, 0, 0, False, b"", number
            )
        )
        for number, each in enumerate(arguments)
    ]
    return runner.run_batch(BatchRun([request for request in requests if isinstance(request, Request)]))


def test_each_job_ends_by_its_own_outcome(app: Treadle) -> None:
    @app.task(batch=Batch(), autoretry_for=(OSError,))
    def each(requests: list[Request]) -> list[Any]:
        requests[3].cancelled = True
        return [1, ValueError("no"), OSError("again"), JobCancelled("seen"), object()]

    kinds = [type(settlement) for settlement in run_batch(app, each, 1, 2, 3, 4, 5)]
    assert kinds == [Complete, Fail, Retry, Cancel, Fail]


@pytest.mark.parametrize("answer", [[1], [1, 2, 3], "ab", b"cd", {1: 2, 3: 4}, 7, iter([1, 2])])
def test_an_answer_that_is_no_list_of_outcomes_fails_all(app: Treadle, answer: Any) -> None:
    @app.task(batch=Batch(), autoretry_for=(Exception,))
    def wrong(requests: list[Request]) -> Any:
        return answer

    settlements = run_batch(app, wrong, 1, 2)
    assert [type(settlement) for settlement in settlements] == [Fail, Fail]
    assert all(BatchAnswerError.__name__.encode() in settlement.error for settlement in settlements)  # type: ignore[union-attr]


def test_hooks_and_signals_are_for_each_job(app: Treadle) -> None:
    heard: list[str] = []

    class Told(Task[..., Any]):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            heard.append(f"before {task_id} {current_job().id}")
            if args == ["stop"]:
                raise RuntimeError("not this one")

        def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
            heard.append(f"success {task_id} {current_job().id}")

    @app.task(batch=Batch(), base=Told)
    def each(requests: list[Request]) -> list[int]:
        heard.append(f"call {len(requests)}")
        return [1] * len(requests)

    settlements = run_batch(app, each, 1, "stop", 2)
    assert heard == ["before 0 0", "before 1 1", "before 2 2", "call 2", "success 0 0", "success 2 2"]
    assert {(settlement.delivery.id, type(settlement)) for settlement in settlements} == {
        ("0", Complete), ("1", Fail), ("2", Complete),
    }  # fmt: skip


def test_a_batch_has_no_single_current_job(app: Treadle) -> None:
    @app.task(batch=Batch())
    def asks(requests: list[Request]) -> list[str]:
        with pytest.raises(ConfigurationError, match="use the requests"):
            current_job()
        return ["asked"] * len(requests)

    assert {type(settlement) for settlement in run_batch(app, asks, 1, 2)} == {Complete}


def test_the_tightest_limits_hold_for_the_call(app: Treadle) -> None:
    @app.task(batch=Batch(), time_limit=9)
    def limited(requests: list[Request]) -> None: ...

    requests = [
        Request(Delivery(str(number), limited.name, b"", "q", 0, options, 1, 0, 0, False, b"", 1), limited, (), {})
        for number, options in enumerate([b"", b'{"time_limit":5,"soft_time_limit":3}'])
    ]
    assert BatchRun(requests).limits == (5, 3)


# Collecting --------------------------------------------------------------------------------------------


def delivery(number: int, task: str = "b", **fields: Any) -> Delivery:
    return Delivery(str(number), task, b"", "q", 0, b"", 1, 0, 0, False, b"", number)._replace(**fields)


@pytest.fixture
def collect() -> Callable[..., tuple[Collector, Desk, Board]]:
    def make(size: int, wait_s: float) -> tuple[Collector, Desk, Board]:
        board = Board(mmap.mmap(-1, board_size(1)), 0, 1)
        board.clear(time.monotonic())
        desk = Desk(Pace())
        return Collector({"b": Batch(size, wait_s)}, desk, board), desk, board

    return make


def test_a_full_batch_is_handed_out_and_the_rest_waits(collect: Any) -> None:
    collector, desk, board = collect(2, 60)
    assert collector.sift([delivery(1), delivery(9, "plain"), delivery(2), delivery(3)], 1) == [delivery(9, "plain")]
    collector.start_due(1)
    bundle = desk.take()
    assert isinstance(bundle, Bundle)
    assert [each.id for each in bundle.deliveries] == ["1", "2"]
    assert (collector.count, collector.appetite()) == (1, 1)
    assert [each.id for each in board.recall()] == ["3"]


def test_suspects_and_verdicts_are_not_collected(collect: Any) -> None:
    collector, *_ = collect(2, 60)
    lonely = [delivery(1, suspect=True), delivery(2, verdict=b"x")]
    assert collector.sift(lonely, 2) == lonely
    assert collector.count == 0


def test_a_batch_without_a_slot_goes_back_and_next_time_waits_for_nobody(collect: Any) -> None:
    collector, desk, _ = collect(5, 0)
    collector.sift([delivery(1)], 1)
    collector.start_due(0)
    late: list[Delivery] = []
    while not late:
        late = collector.take_late()
    assert (late, collector.count, desk.held) == ([delivery(1)], 0, 0)
    patient, desk, _ = collect(5, 60)
    patient._overdue.add("b")
    patient.sift([delivery(1)], 1)
    patient.start_due(1)
    assert isinstance(desk.take(), Bundle)


def test_it_asks_for_no_more_once_that_brought_in_what_nobody_could_run(collect: Any) -> None:
    collector, *_ = collect(10, 60)
    collector.sift([delivery(1)], 1)
    assert collector.appetite() == 9
    collector.sift([delivery(2), *(delivery(number, "plain") for number in range(3, 6))], 1)
    assert collector.appetite() == 0


def test_lists_of_ids_share_the_memory_and_leave_it_again() -> None:
    members = Members(memoryview(bytearray(64)))
    first, second = members.write(["a" * 20]), members.write(["b" * 20])
    assert first is not None
    assert second is not None
    assert members.write(["c" * 20]) is None
    members.drop(first)
    third = members.write(["d" * 18])
    assert third is not None
    assert (members.read(second), members.read(third)) == (["b" * 20], ["d" * 18])


def test_retry_is_refused_where_it_could_not_say_which_job(app: Treadle) -> None:
    @app.task(batch=Batch(), bind=True)
    def retries(self: Task[..., Any], requests: list[Request]) -> None:
        raise self.retry()

    with pytest.raises(ConfigurationError, match="answers an exception"):
        retries.apply().get()

"""A slot whose job waits for others lends its place, and takes it back."""

from __future__ import annotations

import mmap
import time

import pytest

from treadle import Treadle
from treadle.execution.runner import Runner
from treadle.job import Delivery
from treadle.request import Request
from treadle.worker.board import MAX_WAITING, Board, board_size
from treadle.worker.child.coroutine_slot import CoroutineSlot
from treadle.worker.child.desk import Desk
from treadle.worker.child.pace import Pace


class Stage:
    """A slot with what belongs to it."""

    def __init__(self) -> None:
        self.app = Treadle("places", broker="memory://", set_as_current=False)
        self.board = Board(mmap.mmap(-1, board_size(1)), 0, 1)
        self.board.clear(time.monotonic())
        self.desk = Desk(Pace())
        self.runner = Runner(self.app)
        self.slot = self.new_slot(0)

        @self.app.task(name="t")
        def task() -> None: ...

        self.task = task

    def new_slot(self, index: int) -> CoroutineSlot:
        return CoroutineSlot(index, self.runner, self.desk, self.board)

    def start(self, slot: CoroutineSlot) -> Request:
        delivery = Delivery(f"job{slot.index}", "t", b"", "q", 0, b"", 1, 0, 0, False, b"", 1)
        request = Request(delivery, self.task, (), {})
        slot.begin(request, 0.0)
        return request


@pytest.fixture
def stage() -> Stage:
    return Stage()


def waits(stage: Stage) -> list[bool]:
    return [run.waits for run in stage.board.running()]


def test_a_job_that_waits_for_several_lends_one_place_until_the_last_has_ended(stage: Stage) -> None:
    request = stage.start(stage.slot)
    assert [stage.slot.leave(request) for _ in range(3)] == [True] * 3
    stage.slot.come_back(request)
    stage.slot.come_back(request)
    assert (stage.desk.waiting, waits(stage)) == (1, [True])
    stage.slot.come_back(request)
    assert (stage.desk.waiting, waits(stage)) == (0, [False])


def test_a_job_that_ends_while_a_coroutine_of_its_own_still_waits_takes_its_place_back_once(stage: Stage) -> None:
    request = stage.start(stage.slot)
    assert stage.slot.leave(request)
    stage.slot.end()
    assert stage.desk.waiting == 0
    other = stage.start(stage.slot)
    stage.slot.come_back(request)
    assert not stage.slot.leave(request), "the place is another job's now"
    assert stage.slot.leave(other)
    assert stage.desk.waiting == 1


def test_beyond_the_bound_a_job_waits_in_its_place_and_the_log_says_so(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    slots = [stage.slot, *(stage.new_slot(index) for index in range(1, MAX_WAITING + 1))]
    lent = [slot.leave(stage.start(slot)) for slot in slots]
    assert lent == [True] * MAX_WAITING + [False]
    assert f"job job{MAX_WAITING} keeps its slot while it waits" in caplog.text
    assert len(stage.board.running()) == MAX_WAITING + 1

"""One job's way through the code, from claim to settle, is short: counted on the real parts of a child."""

from __future__ import annotations

import inspect
import mmap
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import treadle
from treadle import Treadle
from treadle.job import Delivery
from treadle.worker.board import Board, board_size
from treadle.worker.child.desk import Desk
from treadle.worker.child.process import Assignment, Child
from treadle.worker.child.slot import Slot

ROOT = Path(treadle.__file__).parent
MOST_FUNCTIONS, MOST_FILES, MOST_LINES = 30, 10, 40


class Worker:
    """A child's parts, driven by hand in one thread."""

    def __init__(self, app: Treadle, batch: int) -> None:
        self.app = app
        assignment = Assignment(
            number=0,
            lease="lease",
            hostname="here",
            queues=["default"],
            pool="prefork",
            concurrency=1,
            prefetch_limit=batch,
            max_jobs=None,
            max_memory_kib=None,
            board_offset=0,
        )
        board = Board(mmap.mmap(-1, board_size(1)), 0, 1)
        board.clear(time.monotonic())
        board.extend_lease(time.monotonic() + 60)
        app.broker.open_lease("lease", 60)
        self.child = Child(app, assignment, board)
        slot = self.child._pool.slots[0]
        assert isinstance(slot, Slot)
        self.slot, self.desk = slot, slot._desk

    def run_batch(self) -> int:
        """Claim, run, and settle together with the next claim; how many jobs were run."""
        if not self.desk.unstarted:
            self.child.loop._step()
        held = self.desk.unstarted
        for _ in range(held):
            delivery = self.desk.take()
            assert isinstance(delivery, Delivery)
            self.slot.run(delivery)
        self.child.loop._step()
        return held


#: Where a job is in the hands of a child: laid down after the claim, run, collected for the settlement.
HANDS = (Desk.put, Desk.take, Slot.run, Desk.collect)


class Trail:
    """The functions of the engine that are called within the block while it has a job in its hands."""

    def __enter__(self) -> Counter[CodeType]:
        self.calls: Counter[CodeType] = Counter()
        self._inside: list[FrameType] = []
        sys.setprofile(self._note)
        return self.calls

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            if not self._inside and frame.f_code in {hand.__code__ for hand in HANDS}:
                self._inside.append(frame)
            if self._inside and Path(frame.f_code.co_filename).is_relative_to(ROOT):
                self.calls[frame.f_code] += 1
        elif event == "return" and self._inside == [frame]:
            self._inside.clear()


@pytest.fixture(params=["memory", "sqlite"])
def app(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[Treadle]:
    handler = signal.getsignal(signal.SIGUSR1)
    with Treadle("path", broker="memory://" if request.param == "memory" else sqlite_url) as app:
        app.broker.migrate()
        yield app
    signal.signal(signal.SIGUSR1, handler)


def trail_of_a_batch(app: Treadle, batch: int) -> Counter[CodeType]:
    """What a full batch of jobs calls, once the pace of its task is known."""

    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    worker = Worker(app, batch)
    app.publish_many(add.s(1, number) for number in range(10 * batch + 100))
    while worker.run_batch() < batch:
        pass
    with Trail() as calls:
        assert worker.run_batch() == batch
    return calls


def table(calls: Counter[CodeType]) -> str:
    return "\n".join(f"{Path(code.co_filename).name}: {code.co_qualname} x {n}" for code, n in calls.items())


@pytest.mark.parametrize("batch", [1, 100])
def test_a_job_crosses_few_functions_in_few_files(app: Treadle, batch: int) -> None:
    calls = trail_of_a_batch(app, batch)
    assert 10 < len(calls) <= MOST_FUNCTIONS, table(calls)
    assert 3 < len({code.co_filename for code in calls}) <= MOST_FILES, table(calls)
    assert sum(calls.values()) <= MOST_FUNCTIONS * batch, table(calls)


@pytest.mark.parametrize("batch", [1, 100])
def test_no_function_on_the_way_is_long(app: Treadle, batch: int) -> None:
    lengths = {code.co_qualname: length_of(code) for code in trail_of_a_batch(app, batch)}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def length_of(code: CodeType) -> int:
    return len(inspect.getsource(code).splitlines())

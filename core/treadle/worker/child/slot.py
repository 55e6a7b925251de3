"""One place in a child where one job runs at a time."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, cast

from treadle.execution.batch_runner import BatchRun, BatchRunner
from treadle.request import Request
from treadle.serialization.failure import encode_failure
from treadle.settlement import Fail, Release
from treadle.worker.board import MAX_WAITING
from treadle.worker.child.bundle import Bundle
from treadle.worker.members import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.execution.runner import Runner
    from treadle.job import Delivery
    from treadle.settlement import Settlement
    from treadle.worker.board import Board
    from treadle.worker.child.desk import Desk

logger = logging.getLogger(__name__)


class Slot:
    """Runs deliveries one after another. Pools subclass it to say how a run is interrupted."""

    def __init__(self, index: int, runner: Runner, desk: Desk, board: Board) -> None:
        self.index = index
        self._runner, self._desk, self._board = runner, desk, board
        self._batch_runner = runner if isinstance(runner, BatchRunner) else None
        self._pid = os.getpid()
        #: What runs here now.
        self.request: Request | None = None
        #: For how many other jobs it waits, having given its place up.
        self._waits_for = 0
        #: When the run is to be interrupted (monotonic seconds); 0: never.
        self.soft_deadline_s = 0.0

    def serve(self) -> None:
        """Run deliveries until the desk is closed."""
        run = self.run_unit
        while (unit := self._desk.take()) is not None:
            run(unit)

    @property
    def run_unit(self) -> Callable[[Delivery | Bundle], None]:
        """What runs whatever the desk gives. Asked once: where there are no batch tasks, no job is looked at."""
        return self._run_either if self._batch_runner else cast("Callable[[Delivery | Bundle], None]", self.run)

    def _run_either(self, unit: Delivery | Bundle) -> None:
        if isinstance(unit, Bundle):
            self.run_bundle(unit)
        else:
            self.run(unit)

    def run(self, delivery: Delivery) -> None:
        """Run one delivery and leave its outcome on the desk."""
        started_s = time.monotonic()
        request = self._start(delivery, started_s)
        settlement = self._run(request) if isinstance(request, Request) else request
        if settlement is None:
            return  # it goes on by itself
        if os.getpid() != self._pid:
            os._exit(0)  # the task forked and returned in both processes; only one of them is a child of ours
        self.end()
        self._desk.give(settlement, time.monotonic() - started_s)

    def run_bundle(self, bundle: Bundle) -> None:
        """Run the jobs of a batch in one call and leave their outcomes on the desk."""
        batch = self._start_bundle(bundle)
        settlements = self._run_batch(batch, bundle) if isinstance(batch, BatchRun) else batch
        if settlements is None:
            return
        if os.getpid() != self._pid:
            os._exit(0)
        self._end_bundle(bundle, settlements)

    def _run(self, request: Request) -> Settlement | None:
        """The settlement; None from a pool that leaves it on the desk later."""
        return self._run_coroutine(request) if request.task_object.is_async else self._runner.run(request)

    def _run_coroutine(self, request: Request) -> Settlement | None:
        return self._runner.run(request)

    def _run_batch(self, batch: BatchRun, bundle: Bundle) -> list[Settlement] | None:
        return self.batch_runner.run_batch(batch)

    @property
    def batch_runner(self) -> BatchRunner:
        """What runs bundles, where they come."""
        if self._batch_runner is None:
            raise RuntimeError("a bundle came to a child without batch tasks")
        return self._batch_runner

    def _start(self, delivery: Delivery, now_s: float) -> Request | Settlement:
        """The request to run; or the settlement of a delivery that is not to be run, or cannot be."""
        if self._board.is_recalled:
            return Release(delivery, delivery.suspect)
        try:
            request = self._runner.prepare(delivery)
            if isinstance(request, Request):
                self.begin(request, now_s)
        except Exception as error:  # noqa: BLE001 - whatever a job brings with it, it fails alone
            return Fail(delivery, "undecodable", encode_failure(error))
        return request

    def _start_bundle(self, bundle: Bundle) -> BatchRun | list[Settlement]:
        """The batch to run; or the settlements of its deliveries, if none is to be run."""
        if self._board.is_recalled:
            return [Release(delivery) for delivery in bundle.deliveries]
        prepared = [self._prepare(delivery) for delivery in bundle.deliveries]
        requests = [each for each in prepared if isinstance(each, Request)]
        refused = [each for each in prepared if not isinstance(each, Request)]
        if not requests:
            return refused
        batch = BatchRun(requests)
        batch.settled += refused
        self._board.show_members(self.index, bundle.span)
        self.begin(batch, time.monotonic())
        return batch

    def _prepare(self, delivery: Delivery) -> Request | Settlement:
        try:
            return self._runner.prepare(delivery)
        except Exception as error:
            logger.exception("job %s of a batch cannot be run", delivery.id)
            return Fail(delivery, "undecodable", encode_failure(error))

    def _end_bundle(self, bundle: Bundle, settlements: list[Settlement]) -> None:
        self.end()
        self._board.show_members(self.index, Span(0, 0))
        self._desk.give_bundle(bundle, settlements)

    def begin(self, request: Request, now_s: float) -> None:
        """A run starts: show it to the supervisor, and arm its limits."""
        hard_s, soft_s = request.limits
        delivery = request.delivery
        self._board.begin(self.index, delivery.id, delivery.receipt, now_s, now_s + hard_s if hard_s else 0.0)
        self.request = request
        if soft_s:
            self.soft_deadline_s = now_s + soft_s
            self._desk.ring()

    def end(self) -> None:
        """The run is over: nothing can interrupt it any more."""
        if self._waits_for:
            with self._desk.lock:
                self._waits_for = 0
                self._take_place()
        self.request = None
        self.soft_deadline_s = 0.0
        self._board.end(self.index)

    def leave(self, request: Request) -> bool:
        """Let others run in this place while `request` waits for another job. False: too many do so already."""
        with self._desk.lock:
            if self.request is not request:
                return False
            if not self._waits_for:
                if self._desk.waiting >= MAX_WAITING:
                    logger.warning("job %s keeps its slot while it waits: %d others wait", request.id, MAX_WAITING)
                    return False
                self._desk.waiting += 1
                self._board.show_waiting(self.index, waits=True, suspect=request.delivery.suspect)
            self._waits_for += 1
        self._desk.on_lent()
        self._desk.ring()
        return True

    def come_back(self, request: Request) -> None:
        """One of the jobs that `request` waited for has ended."""
        with self._desk.lock:
            if self.request is not request or not self._waits_for:
                return  # a coroutine that its job has left behind
            self._waits_for -= 1
            if not self._waits_for:
                self._take_place()

    def _take_place(self) -> None:
        """Count again as one that is at work. Under the desk's lock."""
        self._desk.waiting -= 1
        self._board.show_waiting(self.index, waits=False)
        self._desk.ring()

    def interrupt(self, error: BaseException) -> bool:
        """Make the running code raise `error`, once. From the broker thread.

        False if no user code runs here just now: then it is to be tried again.
        """
        request = self.request
        if request is None or not request.in_user_code:
            return False
        if type(request.interruption) is not type(error):
            request.interruption = error
            self._strike(request, error)
        return True

    def _strike(self, request: Request, error: BaseException) -> None:
        """Raise `error` in the code of `request`, by the means of the pool."""
        raise NotImplementedError

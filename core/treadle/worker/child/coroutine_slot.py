"""A slot whose `async def` jobs run on an event loop that the slot shares with others."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from treadle.execution.batch_runner import BatchRun
from treadle.request import Request
from treadle.worker.child.slot import Slot

if TYPE_CHECKING:
    import asyncio

    from treadle.execution.runner import Runner
    from treadle.job import Delivery
    from treadle.worker.board import Board
    from treadle.worker.child.bundle import Bundle
    from treadle.worker.child.desk import Desk


class CoroutineSlot(Slot):
    """Runs as one asyncio task, and lets others run in its place while it waits for other jobs."""

    def __init__(self, index: int, runner: Runner, desk: Desk, board: Board) -> None:
        super().__init__(index, runner, desk, board)
        board.add_row(index)
        #: What runs the job, if it runs on the event loop.
        self.task: asyncio.Task[None] | None = None

    async def arun(self, delivery: Delivery) -> None:
        """`run`, on the event loop."""
        started_s = time.monotonic()
        request = self._start(delivery, started_s)
        if isinstance(request, Request):
            await self.go_on(request)
        else:
            self.end()
            self._desk.give(request, time.monotonic() - started_s)

    async def arun_bundle(self, bundle: Bundle) -> None:
        """`run_bundle`, on the event loop."""
        batch = self._start_bundle(bundle)
        if isinstance(batch, BatchRun):
            await self.go_on_with_batch(batch, bundle)
        else:
            self._end_bundle(bundle, batch)

    async def go_on(self, request: Request) -> None:
        """Run what was started, and leave its outcome on the desk."""
        started_s = time.monotonic()
        if request.task_object.is_async:
            request.place = self
        settlement = await self._runner.arun(request)
        self._end_here()
        self.end()
        self._desk.give(settlement, time.monotonic() - started_s)

    async def go_on_with_batch(self, batch: BatchRun, bundle: Bundle) -> None:
        """The same for a batch."""
        if batch.task_object.is_async:
            batch.place = self
        settlements = await self.batch_runner.arun_batch(batch)
        self._end_here()
        self._end_bundle(bundle, settlements)

    def cancel(self, request: Request) -> None:
        """Cancel the coroutine of `request`; the runner knows why. From any thread."""
        task = self.task
        if task is not None:
            task.get_loop().call_soon_threadsafe(self._cancel, request, task)

    def _cancel(self, request: Request, task: asyncio.Task[None]) -> None:
        if self.request is request and request.in_user_code:
            task.cancel()

    def _end_here(self) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # as in `run`

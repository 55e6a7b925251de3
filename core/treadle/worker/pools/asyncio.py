"""The asyncio pool: each child runs many coroutines at a time on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from treadle.execution.batch_runner import BatchRun
from treadle.request import Request
from treadle.worker.child.bundle import Bundle
from treadle.worker.child.interruption import Interruptible
from treadle.worker.child.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.job import Delivery
    from treadle.worker.pools import PoolParts

#: A `def` task occupies a thread; more at a time would starve the event loop.
_THREADS = 32


class AsyncioPool:
    """`concurrency` coroutines. Soft limits and cancellation arrive as CancelledError inside the task."""

    name = "asyncio"
    takes_bundles = True

    def __init__(self, parts: PoolParts) -> None:
        self._parts = parts
        self.slots = [CoroutineSlot(index, parts) for index in range(parts.concurrency)]
        self._free = list(reversed(self.slots))
        self._desk = parts.desk
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(min(parts.concurrency, _THREADS), "treadle-def")

    def serve(self) -> None:
        """Run jobs until the desk is closed."""
        asyncio.run(self._serve())
        self._threads.shutdown(wait=False)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._parts.runner.call_in_thread = self._call_in_thread
        something = asyncio.Event()

        def look() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: there is nothing left to look at
                loop.call_soon_threadsafe(something.set)

        self._desk.on_put = look
        something.set()
        while not self._desk.closed or self._tasks:
            await something.wait()
            something.clear()
            self._start_all(something)

    def _start_all(self, something: asyncio.Event) -> None:
        while self._free and (unit := self._desk.take_nowait()) is not None:
            slot = self._free.pop()
            run = slot.arun_bundle(unit) if isinstance(unit, Bundle) else slot.arun(unit)
            slot.task = asyncio.create_task(run)
            self._tasks.add(slot.task)
            slot.task.add_done_callback(partial(self._freed, slot, something))

    def _freed(self, slot: CoroutineSlot, something: asyncio.Event, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.append(slot)
        if self._desk.unstarted or self._desk.closed:
            something.set()

    async def _call_in_thread(self, function: Callable[..., Any], request: Request) -> Any:
        """The value of a `def` task. Its thread, not the awaiting coroutine, is what is interrupted."""
        slot = next(slot for slot in self.slots if slot.request is request)
        slot.interruptible = interruptible = Interruptible()
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: context.run(interruptible.run, function, request)
        )


class CoroutineSlot(Slot):
    """Runs as one asyncio task."""

    def __init__(self, index: int, parts: PoolParts) -> None:
        super().__init__(index, parts.runner, parts.desk, parts.board)
        self.task: asyncio.Task[None] | None = None
        #: The thread of a `def` task.
        self.interruptible = Interruptible()

    async def arun(self, delivery: Delivery) -> None:
        """`run`, on the event loop."""
        started_s = time.monotonic()
        request = self._start(delivery, started_s)
        settlement = await self._runner.arun(request) if isinstance(request, Request) else request
        self.end()
        self._desk.give(settlement, time.monotonic() - started_s)

    async def arun_bundle(self, bundle: Bundle) -> None:
        """`run_bundle`, on the event loop."""
        batch = self._start_bundle(bundle)
        settlements = await self.batch_runner.arun_batch(batch) if isinstance(batch, BatchRun) else batch
        self._end_bundle(bundle, settlements)

    def _strike(self, request: Request, error: BaseException) -> None:
        """Cancel the coroutine, or raise in the thread of a `def` task; the runner knows why."""
        task = self.task
        if not request.task_object.is_async:
            self.interruptible.interrupt(type(error))
        elif task is not None:
            task.get_loop().call_soon_threadsafe(self._cancel, request, task)

    def _cancel(self, request: Request, task: asyncio.Task[None]) -> None:
        if self.request is request and request.in_user_code:
            task.cancel()

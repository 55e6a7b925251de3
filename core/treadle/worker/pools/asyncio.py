"""The asyncio pool: each child runs many coroutines at a time on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from treadle.worker.child.bundle import Bundle
from treadle.worker.child.coroutine_slot import CoroutineSlot
from treadle.worker.child.interruption import Interruptible

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.request import Request
    from treadle.worker.pools import PoolParts

#: A `def` task occupies a thread; more at a time would starve the event loop.
_THREADS = 32


class AsyncioPool:
    """`concurrency` coroutines. Soft limits and cancellation arrive as CancelledError inside the task."""

    name = "asyncio"
    takes_bundles = True

    def __init__(self, parts: PoolParts) -> None:
        self._parts = parts
        self.slots = [AsyncioSlot(index, parts) for index in range(parts.concurrency)]
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

        self._desk.on_put = self._desk.on_lent = look
        something.set()
        while not self._desk.closed or self._tasks:
            await something.wait()
            something.clear()
            self._start_all(something)

    def _start_all(self, something: asyncio.Event) -> None:
        desk, concurrency = self._desk, self._parts.concurrency
        while len(self._tasks) < concurrency + desk.waiting and (unit := desk.take_nowait()) is not None:
            slot = self._free.pop() if self._free else self._new_slot()
            run = slot.arun_bundle(unit) if isinstance(unit, Bundle) else slot.arun(unit)
            slot.task = asyncio.create_task(run)
            self._tasks.add(slot.task)
            slot.task.add_done_callback(partial(self._freed, slot, something))

    def _new_slot(self) -> AsyncioSlot:
        """One more, for what runs while others wait."""
        self.slots.append(AsyncioSlot(len(self.slots), self._parts))
        return self.slots[-1]

    def _freed(self, slot: AsyncioSlot, something: asyncio.Event, task: asyncio.Task[None]) -> None:
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


class AsyncioSlot(CoroutineSlot):
    """Runs as one asyncio task; a `def` in a thread beside the loop."""

    def __init__(self, index: int, parts: PoolParts) -> None:
        super().__init__(index, parts.runner, parts.desk, parts.board)
        #: The thread of a `def` task.
        self.interruptible = Interruptible()

    def _strike(self, request: Request, error: BaseException) -> None:
        """Cancel the coroutine, or raise in the thread of a `def` task; the runner knows why."""
        if request.task_object.is_async:
            self.cancel(request)
        else:
            self.interruptible.interrupt(type(error))

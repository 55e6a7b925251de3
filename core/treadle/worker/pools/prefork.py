"""The prefork pool: each child runs one job at a time, in its main thread."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from treadle.worker.child.coroutine_slot import CoroutineSlot
from treadle.worker.child.desk import nothing
from treadle.worker.child.event_loops import EventLoop

if TYPE_CHECKING:
    from treadle.execution.batch_runner import BatchRun
    from treadle.job import Delivery
    from treadle.request import Request
    from treadle.settlement import Settlement
    from treadle.worker.child.bundle import Bundle
    from treadle.worker.pools import PoolParts

#: Wakes the main thread from whatever system call it is in. Not SIGALRM: applications use that one.
_INTERRUPT = getattr(signal, "SIGUSR1", None)


class PreforkPool:
    """One slot, in the main thread, and more for what runs while coroutines wait for other jobs."""

    name = "prefork"
    takes_bundles = True

    def __init__(self, parts: PoolParts) -> None:
        self._parts, self._desk = parts, parts.desk
        self._loop = EventLoop()
        self._knock = Knock()
        self.slots = [self._slot(0)]

    def serve(self) -> None:
        """Run jobs until the desk is closed."""
        self._desk.on_lent = self._loop.rouse
        first, take, coroutines = self.slots[0].run_unit, self._desk.take, self._loop.coroutines
        while (unit := self._next() if coroutines else take()) is not None:
            run = self._free_slot().run_unit if coroutines else first
            run(unit)
        self._loop.close()

    def _next(self) -> Delivery | Bundle | None:
        """What to run while coroutines wait. They go first, as soon as they have what they wait for."""
        desk, loop = self._desk, self._loop
        while loop.coroutines and not desk.closed:
            loop.run_while(lambda: len(loop.coroutines) > desk.waiting)
            if (unit := desk.take_nowait()) is not None:
                return unit
            self._wait()
        loop.run_while(lambda: desk.closed and bool(loop.coroutines))
        return desk.take()

    def _wait(self) -> None:
        """Let the loop run until there is a delivery, or a coroutine goes on."""
        desk, loop = self._desk, self._loop
        desk.on_put = loop.rouse
        try:
            loop.run_while(lambda: not desk.unstarted and 0 < len(loop.coroutines) == desk.waiting)
        finally:
            desk.on_put = nothing

    def _free_slot(self) -> MainThreadSlot:
        for slot in self.slots:
            if slot.request is None:
                return slot
        slot = self._slot(len(self.slots))
        self.slots.append(slot)
        return slot

    def _slot(self, index: int) -> MainThreadSlot:
        return MainThreadSlot(index, self._parts, self._loop, self._knock)


class MainThreadSlot(CoroutineSlot):
    """Runs in the main thread, where Python delivers signals. Coroutines run there on a loop."""

    def __init__(self, index: int, parts: PoolParts, loop: EventLoop, knock: Knock) -> None:
        super().__init__(index, parts.runner, parts.desk, parts.board)
        self._loop, self._knock = loop, knock

    def _run_coroutine(self, request: Request) -> Settlement | None:
        self.task = self._loop.start(self.go_on(request))
        return None

    def _run_batch(self, batch: BatchRun, bundle: Bundle) -> list[Settlement] | None:
        if not batch.task_object.is_async:
            return self.batch_runner.run_batch(batch)
        self.task = self._loop.start(self.go_on_with_batch(batch, bundle))
        return None

    def _strike(self, request: Request, error: BaseException) -> None:
        """Raise `error` in the main thread, or cancel the coroutine that it runs."""
        if request.task_object.is_async:
            self.cancel(request)
        else:
            self._knock.raise_in(self, request, error)


class Knock:
    """Raises exceptions in the main thread, by a signal."""

    def __init__(self) -> None:
        self._pending: tuple[MainThreadSlot, Request, BaseException] | None = None
        if _INTERRUPT is not None:
            signal.signal(_INTERRUPT, self._raise_pending)

    def raise_in(self, slot: MainThreadSlot, request: Request, error: BaseException) -> None:
        """Raise `error` in what runs in that slot, if that is still `request`. From another thread."""
        self._pending = slot, request, error
        if _INTERRUPT is not None:
            signal.pthread_kill(threading.main_thread().ident or 0, _INTERRUPT)

    def _raise_pending(self, _number: int, _frame: Any) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        slot, request, error = pending
        if slot.request is request and request.in_user_code:
            raise error

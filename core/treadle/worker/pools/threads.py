"""The threads pool: each child runs several jobs at a time, one per thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from treadle.worker.child.event_loops import EventLoopThread
from treadle.worker.child.interruption import Interruptible
from treadle.worker.child.slot import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from treadle.execution.batch_runner import BatchRun
    from treadle.request import Request
    from treadle.settlement import Settlement
    from treadle.worker.child.bundle import Bundle
    from treadle.worker.pools import PoolParts

Run = TypeVar("Run")
Ended = TypeVar("Ended")


class ThreadsPool:
    """`concurrency` threads. Soft limits arrive as asynchronous exceptions; coroutines share one loop."""

    name = "threads"
    takes_bundles = True

    def __init__(self, parts: PoolParts) -> None:
        self._parts, self._desk = parts, parts.desk
        self._loop = EventLoopThread()
        parts.runner.await_in_thread = self._await
        self.slots: list[Slot] = [ThreadSlot(index, parts, self._loop) for index in range(parts.concurrency)]
        self._threads: list[threading.Thread] = []
        #: In each thread, its slot.
        self._here = threading.local()

    def serve(self) -> None:
        """Run jobs until the desk is closed."""
        self._desk.on_lent = self._stand_in
        for slot in list(self.slots):
            self._start(slot)
        for thread in self._threads:  # more may come while the first ones are waited for
            thread.join()
        self._loop.close()

    def _start(self, slot: Slot) -> None:
        thread = threading.Thread(target=self._serve, args=(slot,), name=f"treadle-slot-{slot.index}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve(self, slot: Slot) -> None:
        self._here.slot = slot
        slot.serve()

    def _stand_in(self) -> None:
        """See to it that there is a thread for each job that may run while others wait. From any thread."""
        with self._desk.lock:
            if len(self.slots) < self._parts.concurrency + self._desk.waiting:
                self.slots.append(ThreadSlot(len(self.slots), self._parts, self._loop))
                self._start(self.slots[-1])

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The value of an `async def` task, which may give up its place while it waits."""
        slot: ThreadSlot = self._here.slot
        if slot.request is not None:
            slot.request.place = slot
        return self._loop.run(coroutine)


class ThreadSlot(Slot):
    """Runs in a thread of its own."""

    def __init__(self, index: int, parts: PoolParts, loop: EventLoopThread) -> None:
        super().__init__(index, parts.runner, parts.desk, parts.board)
        parts.board.add_row(index)
        self._loop = loop
        self._interruptible = Interruptible()

    def _strike(self, request: Request, error: BaseException) -> None:
        """Raise an error of that class in the thread at its next bytecode, or cancel its coroutine."""
        if request.task_object.is_async:
            self._loop.cancel(request)
        else:
            self._interruptible.interrupt(type(error))

    def _run(self, request: Request) -> Settlement:
        return self._interruptibly(self._runner.run, self._runner.judge, request)

    def _run_batch(self, batch: BatchRun, bundle: Bundle) -> list[Settlement]:
        return self._interruptibly(self.batch_runner.run_batch, self.batch_runner.judge_batch, batch)

    def _interruptibly(
        self, run: Callable[[Run], Ended], judge: Callable[[Run, BaseException], Ended], what: Run
    ) -> Ended:
        try:
            return self._interruptible.run(run, what)
        except BaseException as error:  # noqa: BLE001 - an interruption that came just as the run ended
            return judge(what, error)

"""The threads pool: each child runs several jobs at a time, one per thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from treadle.worker.child.event_loops import EventLoopThread
from treadle.worker.child.interruption import Interruptible
from treadle.worker.child.slot import Slot

if TYPE_CHECKING:
    from treadle.execution.batch_runner import BatchRun
    from treadle.request import Request
    from treadle.settlement import Settlement
    from treadle.worker.pools import PoolParts


class ThreadsPool:
    """`concurrency` threads. Soft limits arrive as asynchronous exceptions; coroutines share one loop."""

    name = "threads"
    takes_bundles = True

    def __init__(self, parts: PoolParts) -> None:
        self._loop = EventLoopThread()
        parts.runner.await_in_thread = self._loop.run
        self.slots: list[Slot] = [ThreadSlot(index, parts, self._loop) for index in range(parts.concurrency)]

    def serve(self) -> None:
        """Run jobs until the desk is closed."""
        threads = [
            threading.Thread(target=slot.serve, name=f"treadle-slot-{slot.index}", daemon=True) for slot in self.slots
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._loop.close()


class ThreadSlot(Slot):
    """Runs in a thread of its own."""

    def __init__(self, index: int, parts: PoolParts, loop: EventLoopThread) -> None:
        super().__init__(index, parts.runner, parts.desk, parts.board)
        self._loop = loop
        self._interruptible = Interruptible()

    def _strike(self, request: Request, error: BaseException) -> None:
        """Raise an error of that class in the thread at its next bytecode, or cancel its coroutine."""
        if request.task_object.is_async:
            self._loop.cancel(request)
        else:
            self._interruptible.interrupt(type(error))

    def _run(self, request: Request) -> Settlement:
        try:
            return self._interruptible.run(self._runner.run, request)
        except BaseException as error:  # noqa: BLE001 - an interruption that came just as the run ended
            return self._runner.judge(request, error)

    def _run_batch(self, batch: BatchRun) -> list[Settlement]:
        try:
            return self._interruptible.run(self.batch_runner.run_batch, batch)
        except BaseException as error:  # noqa: BLE001 - as for a single job
            return self.batch_runner.judge_batch(batch, error)

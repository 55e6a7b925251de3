"""The prefork pool: each child runs one job at a time, in its main thread."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from treadle.worker.child.event_loops import EventLoop
from treadle.worker.child.slot import Slot

if TYPE_CHECKING:
    from treadle.request import Request
    from treadle.worker.pools import PoolParts

#: Wakes the main thread from whatever system call it is in. Not SIGALRM: applications use that one.
_INTERRUPT = getattr(signal, "SIGUSR1", None)


class PreforkPool:
    """One slot, in the main thread. Soft limits arrive as a signal."""

    name = "prefork"
    takes_bundles = True

    def __init__(self, parts: PoolParts) -> None:
        self._loop = EventLoop()
        parts.runner.await_in_thread = self._loop.run
        self.slots = [self._slot(parts, self._loop)]

    def serve(self) -> None:
        """Run jobs until the desk is closed."""
        self.slots[0].serve()
        self._loop.close()

    def _slot(self, parts: PoolParts, loop: EventLoop) -> MainThreadSlot:
        return MainThreadSlot(parts, loop)


class MainThreadSlot(Slot):
    """Runs in the main thread, where Python delivers signals."""

    def __init__(self, parts: PoolParts, loop: EventLoop) -> None:
        super().__init__(0, parts.runner, parts.desk, parts.board)
        self._loop = loop
        self._pending: tuple[Request, BaseException] | None = None
        if _INTERRUPT is not None:
            signal.signal(_INTERRUPT, self._raise_pending)

    def _strike(self, request: Request, error: BaseException) -> None:
        """Raise `error` in the main thread, or cancel the coroutine that it runs."""
        if request.task_object.is_async:
            self._loop.cancel()
            return
        self._pending = (request, error)
        if _INTERRUPT is not None:
            signal.pthread_kill(threading.main_thread().ident or 0, _INTERRUPT)

    def _raise_pending(self, _number: int, _frame: Any) -> None:
        pending, self._pending = self._pending, None
        if pending is not None and pending[0] is self.request and pending[0].in_user_code:
            raise pending[1]

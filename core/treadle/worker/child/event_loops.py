"""Event loops for `async def` tasks in pools that are not asyncio: one loop per child, for its life."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from treadle.observe.current import current_job_var

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine


class EventLoop:
    """A loop in the thread that made it, which runs only while that thread lets it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        #: What was started and has not ended.
        self.coroutines: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have the coroutine run whenever the loop does."""
        import asyncio  # heavy; loaded with the first coroutine task

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        task = self._loop.create_task(coroutine)
        self.coroutines.add(task)
        task.add_done_callback(self._ended)
        return task

    def run_while(self, condition: Callable[[], bool]) -> None:
        """Run what was started. The condition is looked at whenever a coroutine has ended, and when roused."""
        while self._loop is not None and condition():
            self._loop.run_forever()

    def rouse(self) -> None:
        """Have the condition looked at. From any thread."""
        with suppress(RuntimeError):  # the loop was closed
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)

    def close(self) -> None:
        """End the loop and its asynchronous generators."""
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._loop = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.coroutines.discard(task)
        task.get_loop().stop()


class EventLoopThread:
    """A loop in a thread of its own, shared by the threads that call `run`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._futures: dict[object, Any] = {}

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The value of the coroutine, which runs on the shared loop with this thread's context."""
        import asyncio  # heavy; loaded with the first coroutine task

        request = current_job_var.get()
        future = asyncio.run_coroutine_threadsafe(coroutine, self._started_loop())
        self._futures[request] = future
        try:
            return future.result()
        finally:
            del self._futures[request]

    def cancel(self, request: object) -> None:
        """Cancel the coroutine of that request."""
        future = self._futures.get(request)
        if future is not None:
            future.cancel()

    def close(self) -> None:
        """Stop the loop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="treadle-event-loop", daemon=True).start()
            return self._loop

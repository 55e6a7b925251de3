"""Event loops for `async def` tasks in pools that are not asyncio: one loop per child, for its life."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from treadle.observe.current import current_job_var

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine


class EventLoop:
    """A loop that runs in the thread that calls `run`, only while it does."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The value of the coroutine."""
        import asyncio  # heavy; loaded with the first coroutine task

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(coroutine)
        try:
            return self._loop.run_until_complete(self._task)
        finally:
            self._task = None

    def cancel(self) -> None:
        """Cancel the coroutine that runs. From another thread."""
        task, loop = self._task, self._loop
        if task is not None and loop is not None:
            loop.call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """End the loop and its asynchronous generators."""
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
            self._loop = None


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

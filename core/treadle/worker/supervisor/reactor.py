"""The supervisor's loop: sockets, timers, signals and calls from other threads, one at a time."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import signal
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


class Reactor:
    """Runs callbacks in the thread that calls `step`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._arrived: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._out, self._in = socket.socketpair()
        for end in (self._out, self._in):
            end.setblocking(False)
        self._selector.register(self._out, selectors.EVENT_READ, self._drain)

    def watch(self, source: _HasFileno, callback: Callable[[], None]) -> None:
        """Call `callback` whenever `source` can be read."""
        self._selector.register(source.fileno(), selectors.EVENT_READ, callback)

    def unwatch(self, source: _HasFileno) -> None:
        """Undo `watch`. Nothing happens if it was not watched."""
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(source.fileno())

    def call_soon(self, action: Callable[[], None]) -> None:
        """Run `action` in the loop. From any thread, and from signal handlers."""
        self._arrived.append(action)
        with contextlib.suppress(OSError):  # a full buffer wakes it just as well, and a closed loop never again
            self._in.send(b"!")

    def call_later(self, pause_s: float, action: Callable[[], None]) -> None:
        """Run `action` in the loop in `pause_s` seconds. From the loop's thread."""
        heapq.heappush(self._timers, (time.monotonic() + pause_s, next(self._serial), action))

    def on_signal(self, number: int, action: Callable[[], None]) -> None:
        """Run `action` in the loop when the signal comes. From the main thread."""

        def handler(_number: int, _frame: Any) -> None:
            self.call_soon(action)

        signal.signal(number, handler)

    def step(self, at_most_s: float) -> None:
        """Wait for something to happen, at most that long, and run the callbacks for it."""
        wait_s = at_most_s
        if self._timers:
            wait_s = max(0.0, min(wait_s, self._timers[0][0] - time.monotonic()))
        for key, _events in self._selector.select(wait_s):
            key.data()
        while self._arrived:
            self._arrived.popleft()()
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def close(self) -> None:
        """Let go of the loop's own sockets."""
        self._selector.close()
        self._in.close()
        self._out.close()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._out.recv(4096):
                pass

"""A way to end a wait on a socket from outside."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from typing import Protocol


class Readable(Protocol):
    """What can be waited for."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


class Wakeup:
    """A socket pair beside the one that is waited for: `ring` makes it readable, from any thread or signal handler.

    A ring that nobody waits for is kept for the next wait; any number of them count as one.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._mine, self._theirs = socket.socketpair()
        self._mine.setblocking(False)
        self._theirs.setblocking(False)

    def ring(self) -> None:
        """End the current wait, or the next one."""
        # Full means that a ring is waiting already; closed, that nobody waits any more.
        with contextlib.suppress(BlockingIOError, OSError):
            self._theirs.send(b"!")

    def take(self) -> bool:
        """Whether it was rung since the last time this was asked."""
        try:
            return bool(self._mine.recv(4096))
        except BlockingIOError:
            return False

    def is_inherited(self) -> bool:
        """Whether it came here by fork: ringing it would wake the parent."""
        return self._pid != os.getpid()

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self._mine.fileno()

    def close(self) -> None:
        """Close both ends."""
        self._mine.close()
        self._theirs.close()


def await_readable(*sources: Readable, timeout_s: float) -> list[object]:
    """Those of the sources that have something to read, as soon as there is one; empty after `timeout_s`."""
    # Not `select.select`: that fails in a process with more than 1024 open files.
    with selectors.DefaultSelector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(max(0.0, timeout_s))]

"""Ending a wait from another thread or a signal handler."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket


class Waker:
    """Waits for descriptors, and for `wake`. After a fork the child has one of its own.

    A call of `wake` ends one wait: the one that runs, or else the next.
    """

    def __init__(self) -> None:
        self._is_open = True
        self._open()

    def wait(self, timeout_s: float, *others: int) -> list[int] | None:
        """Those of the `others` that are readable within `timeout_s`; None if woken, which comes first."""
        if not self._is_open:
            return None
        if self._pid != os.getpid():
            self._open()
        poll = select.poll()
        for descriptor in (self._woken.fileno(), *others):
            poll.register(descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(math.ceil(max(timeout_s, 0) * 1000))]
        if self._woken.fileno() not in ready:
            return ready
        drain(self._woken)
        return None

    def wake(self) -> None:
        """End a running `wait`, or the next one."""
        # A full socket already holds the message, a closed one has no reader.
        with contextlib.suppress(OSError):
            self._waker.send(b"1")

    def close(self) -> None:
        """From now on every wait ends at once."""
        self._is_open = False
        self._waker.close()
        self._woken.close()

    def _open(self) -> None:
        self._pid = os.getpid()
        self._woken, self._waker = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._woken.setblocking(False)
        self._waker.setblocking(False)


def drain(ear: socket.socket) -> None:
    """Read what has been sent, which says nothing but that it was."""
    with contextlib.suppress(BlockingIOError):
        while ear.recv(16):
            pass

"""SQLite connections of this process: one per thread, none of them carried across a fork.

SQLite's locks belong to a process and are remembered in its memory, for all connections to a file at once. A
child that inherits that memory believes in locks that it does not hold, even on connections it opens itself.
So idle connections are closed before a fork; one that is busy in another thread at that moment is kept,
untouched, by the child (https://sqlite.org/howtocorrupt.html, section 2.6). Nobody uses or opens another one
until the fork is over: the child would inherit SQLite's own mutexes as that thread held them, and wait for ever.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

#: How long a fork waits for another thread's transaction.
_FORK_PATIENCE_S: Final = 1.0


class _Seat:
    """The place of one thread: its connection, and a lock that says it is in use."""

    __slots__ = ("connection", "lock", "thread")

    def __init__(self, thread: threading.Thread) -> None:
        self.thread = thread
        self.lock = threading.RLock()
        self.connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the connection, unless a thread of this process is in the middle of a transaction on it."""
        if self.hold():
            self.lock.release()

    def hold(self) -> bool:
        """Close the connection as `close` does, and keep its thread from opening one. False if it is busy."""
        if not self.lock.acquire(timeout=_FORK_PATIENCE_S):
            return False
        if self.connection is not None and not self.connection.in_transaction:
            self.connection.close()
            self.connection = None
        return True


class Connections:
    """Opens connections with `connect` as threads need them."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._seats: dict[int, _Seat] = {}
        # Referred to for ever, so that nothing closes them.
        self._inherited: list[_Seat] = []
        # The seats that whoever forks holds until the fork is over; None if nobody forks.
        self._held: list[_Seat] | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._is_registered = False

    @contextmanager
    def use(self) -> Generator[sqlite3.Connection]:
        """This thread's connection, which nobody closes meanwhile."""
        seat = self._seat()
        with seat.lock:
            if seat.connection is None:
                seat.connection = self._connect()
            yield seat.connection

    def close(self) -> None:
        """Close the connections of this process, but not those in use by other threads."""
        self._forget_inherited()
        for seat in list(self._seats.values()):
            seat.close()

    def hold(self) -> None:
        """Keep this process's threads out of SQLite, but for transactions that take long. Before a fork."""
        self._forget_inherited()
        self._lock.acquire()
        self._held = [seat for seat in self._seats.values() if seat.hold()]

    def release(self) -> None:
        """Let the threads go on. After the fork, in the parent."""
        held, self._held = self._held, None
        if held is None:  # made by another thread while this one was about to fork
            return
        for seat in held:
            seat.lock.release()
        self._lock.release()

    def _seat(self) -> _Seat:
        self._forget_inherited()
        seat = self._seats.get(threading.get_ident())
        if seat is None or not seat.thread.is_alive():
            seat = self._add_seat()
        return seat

    def _add_seat(self) -> _Seat:
        with self._lock:
            if not self._is_registered:
                _hold_during_forks(self)
                self._is_registered = True
            dead = [ident for ident, seat in self._seats.items() if not seat.thread.is_alive()]
            for ident in dead:
                self._seats.pop(ident).close()
            seat = self._seats[threading.get_ident()] = _Seat(threading.current_thread())
            return seat

    def _forget_inherited(self) -> None:
        if self._pid != os.getpid():
            self._inherited += [seat for seat in self._seats.values() if seat.connection is not None]
            self._seats, self._lock, self._held, self._pid = {}, threading.Lock(), None, os.getpid()


def _hold_during_forks(connections: Connections) -> None:
    # Weakly, because a call that is registered once stays registered for the life of the process.
    reference = weakref.ref(connections)

    def hold() -> None:
        if (living := reference()) is not None:
            living.hold()

    def release() -> None:
        if (living := reference()) is not None:
            living.release()

    # The child needs no word: it begins with a lock and connections of its own when it first asks for one.
    os.register_at_fork(before=hold, after_in_parent=release)

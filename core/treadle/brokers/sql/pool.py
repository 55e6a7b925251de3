"""Connections to a database server, shared by the threads of a process."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Final, Generic, Protocol, TypeVar

from treadle.exceptions import BrokerUnavailable
from treadle.interfaces import CALL_DEADLINE_S

#: The most connections of one process: beyond that threads wait for each other.
MAX_CONNECTIONS: Final = 20
#: An idle connection is kept for so long.
_KEPT_S: Final = 60.0


class Connection(Protocol):
    """What the pool must know of a connection."""

    def is_clean(self) -> bool:
        """Whether it is open, outside of a transaction, and no answer is on its way."""
        ...

    def fileno(self) -> int:
        """Its socket."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


C = TypeVar("C", bound=Connection)


class Pool(Generic[C]):
    """Opens connections with `connect` as they are needed, and lends the one that was used last.

    None is carried across a fork: the child keeps those of its parent untouched, since closing them would hang up
    in the parent's name.
    """

    def __init__(self, connect: Callable[[], C]) -> None:
        self._connect = connect
        self._inherited: list[C] = []
        self._start_over()

    @contextmanager
    def lend(self) -> Generator[C]:
        """A connection that nobody else uses meanwhile. Raises what `connect` raises, and BrokerUnavailable."""
        place = self.enter()
        try:
            connection = self.borrow()
            try:
                yield connection
            finally:
                self.take_back(connection)
        finally:
            place.leave()

    def enter(self) -> Places:
        """Take one of the places; whoever has it may borrow a connection, and leaves it. Raises BrokerUnavailable."""
        self._forget_inherited()
        places = self._places
        places.take()
        return places

    def borrow(self) -> C:
        """A connection, for who has a place and will `take_back`."""
        return self._idle_one() or self._connect()

    def close(self) -> None:
        """Hang up all that are idle."""
        self._forget_inherited()
        while self._idle:
            with suppress(IndexError):
                _hang_up(self._idle.pop()[0])

    def _idle_one(self) -> C | None:
        while self._idle:
            with suppress(IndexError):
                connection, _ = self._idle.pop()
                if is_quiet(connection):
                    return connection
                _hang_up(connection)
        return None

    def take_back(self, connection: C) -> None:
        """Keep the connection for others, if it is fit for that."""
        now_s = time.monotonic()
        if self._pid != os.getpid():
            self._inherited.append(connection)
            return
        if not connection.is_clean():
            _hang_up(connection)
            return
        self._idle.append((connection, now_s))
        # The first ones are those that have not been needed for the longest time.
        while self._idle and now_s - self._idle[0][1] > _KEPT_S:
            with suppress(IndexError):
                _hang_up(self._idle.pop(0)[0])

    def _forget_inherited(self) -> None:
        if self._pid != os.getpid():
            self._inherited += [connection for connection, _ in self._idle]
            self._start_over()

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._idle: list[tuple[C, float]] = []
        self._places = Places()


class Places:
    """How many may use a connection at once: a semaphore, whose usual case is one operation on a list."""

    def __init__(self) -> None:
        self._free = [None] * MAX_CONNECTIONS
        self._waiting = 0
        self._change = threading.Condition()

    def take(self) -> None:
        """Take one. Raises BrokerUnavailable if none becomes free within a call's deadline."""
        if self._take_free():
            return
        with self._change:
            # Counted before it looks again: whoever leaves from now on tells us.
            self._waiting += 1
            try:
                found = self._change.wait_for(self._take_free, CALL_DEADLINE_S)
            finally:
                self._waiting -= 1
        if not found:
            message = f"all {MAX_CONNECTIONS} connections of this process have been busy for {CALL_DEADLINE_S:.0f} s"
            raise BrokerUnavailable(f"{message}: keep transactions short, or publish from fewer threads at once")

    def leave(self) -> None:
        """Let somebody else have it."""
        self._free.append(None)
        if self._waiting:
            with self._change:
                self._change.notify()

    def _take_free(self) -> bool:
        try:
            self._free.pop()
        except IndexError:
            return False
        return True


def is_quiet(connection: Connection) -> bool:
    """Whether nothing has come from the server since the last answer: what comes unasked is its farewell."""
    poll = select.poll()
    try:
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
    except (OSError, ValueError):
        return False


def _hang_up(connection: Connection) -> None:
    with suppress(Exception):
        connection.close()

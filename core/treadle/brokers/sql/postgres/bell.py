"""Waking waiting processes with NOTIFY, seldom enough to be no load.

A notification takes a lock of the whole database while its transaction commits, so ours have transactions of
their own, which wait for no disk. A publisher rings only when it finds a queue empty, and no process rings for one
audience twice in `DEBOUNCE_S`. Who is not told of a job finds it a moment later: the first look after something
was found comes soon.
https://www.postgresql.org/docs/current/sql-notify.html
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from hashlib import sha256
from typing import Final

import psycopg

from treadle.brokers.sql.dialect import Ear, Heard
from treadle.brokers.sql.executor import Executor
from treadle.brokers.sql.postgres.link import Link
from treadle.brokers.sql.waker import Waker
from treadle.exceptions import TreadleError

#: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
_LONGEST_NAME: Final = 63
DEBOUNCE_S: Final = 0.002
#: A consumer that has not waited for so long stops listening; a watch stops at once.
_CONSUMER_LINGERS_S: Final = 1.0
#: Between two attempts to listen, while the server does not let us.
_DEAF_S: Final = 5.0

Open = Callable[[], Link]
Lend = Callable[[], AbstractContextManager[Executor]]


class NotifyBell:
    """Rings on two channels of the database, named after the tables. `connect` opens a connection for an ear."""

    def __init__(self, prefix: str, lend: Lend, connect: Open) -> None:
        self.consumers = channel_name(f"{prefix}consumers")
        self.watches = channel_name(f"{prefix}watches")
        self._lend = lend
        self._connect = connect
        self._rung_s: dict[str, float] = {}

    def ring_consumers(self) -> None:
        """Something can be claimed, or will be due."""
        self._ring(self.consumers)

    def ring_watches(self) -> None:
        """Some job became final."""
        self._ring(self.watches)

    def listen_as_consumer(self) -> Ear:
        """An ear for `ring_consumers`."""
        return NotifyEar(self._connect, self.consumers, _CONSUMER_LINGERS_S)

    def listen_as_watch(self) -> Ear:
        """An ear for `ring_watches`."""
        return NotifyEar(self._connect, self.watches, 0.0)

    def _ring(self, channel: str) -> None:
        now_s = time.monotonic()
        if now_s - self._rung_s.get(channel, 0.0) < DEBOUNCE_S:
            return
        self._rung_s[channel] = now_s
        # What is to be told has been committed: not being able to tell it must not look like a failure.
        with suppress(TreadleError), self._lend() as executor:
            executor.rows("SELECT set_config('synchronous_commit', 'off', true), pg_notify(?, '')", (channel,))


def channel_name(name: str) -> str:
    """The name itself, or a digest if it is longer than PostgreSQL's names can be."""
    return name if len(name) <= _LONGEST_NAME else f"treadle_{sha256(name.encode()).hexdigest()[:40]}"


class NotifyEar:
    """Listens on a connection of its own, while its owner waits.

    What nobody reads would pile up in the server, so an owner that does other things stops listening.
    """

    _link: Link | None
    _is_listening: bool

    def __init__(self, connect: Open, channel: str, lingers_s: float) -> None:
        self._connect = connect
        self._channel = channel
        self._lingers_s = lingers_s
        self._waker = Waker()
        self._start_over()

    @property
    def hears(self) -> bool:
        """Whether the server tells us."""
        return self._is_listening

    def wait(self, timeout_s: float) -> Heard:
        """What was heard within `timeout_s` seconds; the "bell" at once if nobody listened until now."""
        if self._pid != os.getpid():
            self._start_over()
        if not self._is_listening and self._listen():
            return "bell"
        ready = self._waker.wait(timeout_s, *([self._link.fileno()] if self._link else []))
        self._waited_s = time.monotonic()
        if ready is None:
            return "wake"
        return "bell" if ready and self._take_in() else ""

    def wake(self) -> None:
        """End a running `wait`, or the next one."""
        self._waker.wake()

    def rest(self) -> None:
        """Stop listening, unless the last wait was a moment ago."""
        if self._is_listening and time.monotonic() - self._waited_s >= self._lingers_s:
            self._say("UNLISTEN *")
            self._is_listening = False

    def close(self) -> None:
        """Hang up."""
        self._drop()
        self._waker.close()

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._link, self._is_listening = None, False
        self._waited_s = 0.0
        self._tried_s = float("-inf")

    def _listen(self) -> bool:
        now_s = time.monotonic()
        if self._link is None and now_s - self._tried_s < _DEAF_S:
            return False
        try:
            if self._link is None:
                self._tried_s = now_s
                self._link = self._connect()
        except (TreadleError, psycopg.Error):
            return False
        # Behind a pooler notifications go to whoever has the server connection then.
        self._is_listening = not self._link.is_pooled and self._say(f'LISTEN "{self._channel}"')
        self._waited_s = now_s
        return self._is_listening

    def _say(self, statement: str) -> bool:
        try:
            if self._link is not None:
                self._link.execute(statement.encode(), prepare=False)
        except psycopg.Error:
            self._drop()
            return False
        return True

    def _take_in(self) -> bool:
        """Whether the server has told us something, or hung up, which may mean anything."""
        if self._link is None:
            return False
        try:
            self._link.pgconn.consume_input()
        except psycopg.Error:
            self._drop()
            return True
        heard = False
        while self._link.pgconn.notifies():
            heard = True
        return heard

    def _drop(self) -> None:
        link, self._link = self._link, None
        self._is_listening = False
        if link is not None:
            with suppress(psycopg.Error):
                link.close()

"""Waiting for work: a blocking read of the queues' markers that others can interrupt."""

from __future__ import annotations

import time
from collections.abc import Sequence

from treadle.brokers.redis.client import Client
from treadle.brokers.redis.wakeup import Wakeup, await_readable
from treadle.brokers.redis.wire import Connection, ReplyError
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.interfaces import CALL_DEADLINE_S

#: The server ends a read that nobody ends before; only a safety net, since `stop` ends it.
_SERVER_WAIT_S = 60
_RACE_S = 0.01


class Markers:
    """Waits until one of some keys gets a marker. A marker wakes one waiter, and goes away by that.

    The blocking command has a connection of its own, so that the wait can be ended at any moment and
    the other connection is free to do it.
    """

    def __init__(self, client: Client, keys: Sequence[str], wakeup: Wakeup) -> None:
        self._client = client
        self._keys = tuple(keys)
        self._wakeup = wakeup
        self._connection: Connection | None = None
        self._number = 0
        self._is_blocked = False

    def wait(self, timeout_s: float) -> str:
        """The key whose marker was taken; empty after `timeout_s` or when the wake-up rang. Leaves the read open."""
        connection = self._blocked(time.monotonic() + CALL_DEADLINE_S)
        ready = await_readable(connection, self._wakeup, timeout_s=timeout_s)
        return self._taken(connection) if connection in ready else ""

    def stop(self) -> str:
        """End the open read; the key whose marker it took in the meantime, or empty.

        Without this, a marker could wake somebody who is not waiting any more.
        """
        if not self._is_blocked or self._connection is None:
            return ""
        if not self._number:
            self.close()
            return ""
        deadline = time.monotonic() + CALL_DEADLINE_S
        try:
            self._unblock(self._connection, deadline)
            return self._opened(self._connection.read(deadline=deadline))
        except (BrokerUnavailable, ConfigurationError, RuntimeError):
            # Gone, or not allowed: closing the connection ends the read as well, only later.
            self.close()
            return ""

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._is_blocked = None, False

    def _blocked(self, deadline: float) -> Connection:
        try:
            if self._connection is None:
                self._connection = self._client.connect(deadline)
                number = self._connection.round_trip([("CLIENT", "ID")], deadline=deadline)[0]
                self._number = number if isinstance(number, int) else 0
            if not self._is_blocked:
                self._connection.send([("BZPOPMIN", *self._keys, _SERVER_WAIT_S)], deadline=deadline)
                self._is_blocked = True
        except BrokerUnavailable:
            self.close()
            raise
        return self._connection

    def _unblock(self, connection: Connection, deadline: float) -> None:
        """Make the server answer the open read."""
        while time.monotonic() < deadline:
            if self._client.run([("CLIENT", "UNBLOCK", self._number)])[0]:
                return
            # Either it was answered just before, or the server has not come to read it yet.
            if await_readable(connection, timeout_s=_RACE_S):
                return

    def _taken(self, connection: Connection) -> str:
        try:
            connection.receive(deadline=time.monotonic() + CALL_DEADLINE_S)
        except BrokerUnavailable:
            self.close()
            raise
        reply = connection.ready_reply()
        return "" if reply is False else self._opened(reply)

    def _opened(self, reply: list[bytes] | ReplyError | None) -> str:
        self._is_blocked = False
        if isinstance(reply, ReplyError):
            self.close()
            raise BrokerUnavailable(f"Redis refused to wait for work: {reply}")
        return reply[0].decode() if reply else ""

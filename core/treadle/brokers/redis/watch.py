"""Waiting for jobs to end: one subscription per watch, told only of jobs that it asked about."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence

from treadle.brokers.redis.client import Client
from treadle.brokers.redis.settling import CHUNK
from treadle.brokers.redis.wakeup import Wakeup, await_readable
from treadle.brokers.redis.wire import Connection
from treadle.exceptions import BrokerUnavailable
from treadle.interfaces import CALL_DEADLINE_S

#: A message is lost with its connection, and a half-open connection says nothing: ask again this often.
_RECHECK_S = 10.0


class RedisWatch:
    """Waits for jobs to become final; see `treadle.interfaces.Watch`.

    Registering with a job answers in the same step whether it is final already, so no end is missed.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._token = _new_token()
        self._wakeup = Wakeup()
        self._connection: Connection | None = None
        self._registered: set[str] = set()
        self._ended: set[str] = set()

    def wait(self, ids: Collection[str], timeout_s: float) -> set[str]:
        """Those of `ids` that are final or unknown, as soon as there is one."""
        if self._wakeup.is_inherited():
            self._forget()
            self._wakeup.close()
            self._token, self._wakeup = _new_token(), Wakeup()
        wanted = set(ids)
        deadline = time.monotonic() + timeout_s
        while True:
            connection = self._subscribed()
            self._register(sorted(wanted - self._registered - self._ended))
            left_s = deadline - time.monotonic()
            if wanted & self._ended or left_s <= 0 or self._wakeup.take():
                break
            self._listen(connection, min(left_s, _RECHECK_S))
        # Forgotten here, because a job may be requeued and then be waited for again.
        found = wanted & self._ended
        self._ended -= found
        return found

    def wake(self) -> None:
        """Make the running or next `wait` return at once. From any thread."""
        self._wakeup.ring()

    def close(self) -> None:
        """Drop the subscription and its connection."""
        self._forget()
        self._wakeup.close()

    def _subscribed(self) -> Connection:
        if self._connection is None:
            deadline = time.monotonic() + CALL_DEADLINE_S
            connection = self._client.connect(deadline)
            channel = self._client.key(f"watch:{self._token}")
            connection.round_trip([("SUBSCRIBE", channel)], deadline=deadline)
            self._connection = connection
        return self._connection

    def _register(self, ids: Sequence[str]) -> None:
        for at in range(0, len(ids), CHUNK):
            chunk = ids[at : at + CHUNK]
            ended = {job_id.decode() for job_id in self._client.call("register", self._token, *chunk)}
            self._ended |= ended
            self._registered |= set(chunk) - ended

    def _listen(self, connection: Connection, timeout_s: float) -> None:
        ready = await_readable(connection, self._wakeup, timeout_s=timeout_s)
        if not ready:
            self._registered.clear()
        if connection not in ready:
            return
        try:
            connection.receive(deadline=time.monotonic() + CALL_DEADLINE_S)
        except BrokerUnavailable:
            self._forget()
            return
        while (message := connection.ready_reply()) is not False:
            job_id = message[2].decode()
            self._registered.discard(job_id)
            self._ended.add(job_id)

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._registered.clear()


def _new_token() -> str:
    return os.urandom(8).hex()

"""Calls to the store: a small pool of connections, one deadline per call, and what to do about each refusal."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from treadle.brokers.redis.address import Address
from treadle.brokers.redis.scripts import script
from treadle.brokers.redis.wire import Command, Connection, ReplyError
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.interfaces import CALL_DEADLINE_S

#: Idle connections kept per process. More threads than this may call; theirs are closed after use.
_MAX_IDLE = 8
_PAUSE_S = 0.05

Refusal: TypeAlias = Literal["later", "moved", "unloaded", "denied", "full", "fault"]

_REFUSALS: dict[str, Refusal] = {
    "LOADING": "later",
    "READONLY": "later",
    "MASTERDOWN": "later",
    "CLUSTERDOWN": "later",
    "TRYAGAIN": "later",
    "NOREPLICAS": "later",
    "BUSY": "later",
    "MOVED": "moved",
    "ASK": "moved",
    "NOSCRIPT": "unloaded",
    "NOAUTH": "denied",
    "WRONGPASS": "denied",
    "NOPERM": "denied",
    # A store that cannot write now, for want of memory or disk, has changed nothing and may recover.
    "OOM": "full",
    "MISCONF": "full",
}


def classify(refusal: str) -> Refusal:
    """What a refused command calls for, by the first word of the reply."""
    if refusal.startswith("ERR max number of clients"):
        return "later"
    # What a server that wants a password says to a command of more than ten words.
    if "unauthenticated" in refusal:
        return "denied"
    return _REFUSALS.get(refusal.partition(" ")[0], "fault")


class Client:
    """Runs commands and scripts within `CALL_DEADLINE_S`, from any thread and in any forked process.

    Everything the broker does may safely be repeated, so a call on a connection that turns out to be
    stale is repeated once on a fresh one, and refusals that pass by themselves are waited for.
    """

    def __init__(self, address: Address, namespace: str) -> None:
        self.prefix = f"{{{namespace}}}:"
        self._address = address
        self._moved_to: tuple[str, int] | None = None
        self._idle: list[Connection] = []
        self._pid = os.getpid()

    def key(self, name: str) -> str:
        """The full name of a key of this namespace."""
        return self.prefix + name

    def call(self, name: str, *arguments: str | bytes | int, repeat: bool = True) -> Any:
        """The answer of the script `lua/<name>.lua`. With `repeat=False` a broken connection is not made good."""
        command: Command = ("EVALSHA", script(name).sha, 1, self.prefix, *arguments)
        return self.run([command], loads=name, repeat=repeat)[0]

    def run(self, commands: Sequence[Command], *, loads: str = "", repeat: bool = True) -> list[Any]:
        """The replies to a pipeline of commands. `loads` names the script to load should the server not know it.

        Raises BrokerUnavailable within `CALL_DEADLINE_S`, ConfigurationError if we are not let in.
        """
        deadline = time.monotonic() + CALL_DEADLINE_S
        while commands:
            replies = self._attempt(commands, deadline, repeat=repeat)
            for reply in replies:
                if isinstance(reply, ReplyError):
                    self._answer(str(reply), loads, deadline)
                    break
            else:
                return replies
        return []

    def connect(self, deadline: float) -> Connection:
        """A new connection to the node that takes writes; the caller owns it."""
        address = self._address
        if address.service:
            host, port = self._ask_sentinels(deadline)
            return Connection(address, host, port, deadline=deadline)
        hosts = (self._moved_to,) if self._moved_to else address.hosts or (("", 0),)
        return _first_reachable(address, hosts, deadline)

    def close(self) -> None:
        """Close the idle connections. The client may be used again."""
        while self._idle:
            self._idle.pop().close()

    def _attempt(self, commands: Sequence[Command], deadline: float, *, repeat: bool) -> list[Any]:
        stale = self._take_idle()
        if stale is not None:
            try:
                return self._round_trip(stale, commands, deadline)
            except BrokerUnavailable:
                # The others are as old as this one.
                self.close()
                if not repeat or time.monotonic() >= deadline:
                    raise
        try:
            fresh = self.connect(deadline)
        except BrokerUnavailable:
            self._moved_to = None
            raise
        return self._round_trip(fresh, commands, deadline)

    def _round_trip(self, connection: Connection, commands: Sequence[Command], deadline: float) -> list[Any]:
        try:
            replies = connection.round_trip(commands, deadline=deadline)
        except BaseException:
            # Also for an interrupt: replies that were not read would answer the next call.
            connection.close()
            raise
        if len(self._idle) < _MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return replies

    def _take_idle(self) -> Connection | None:
        if os.getpid() != self._pid:
            self.close()
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _answer(self, refusal: str, loads: str, deadline: float) -> None:
        """Do what lets the call be repeated, or raise what it means."""
        match classify(refusal):
            case "unloaded" if loads:
                self._load(loads, deadline)
            case "moved":
                self._follow(refusal)
            case "later" if time.monotonic() + _PAUSE_S < deadline:
                # A demoted master stays read-only: its connections are of no more use.
                self.close()
                time.sleep(_PAUSE_S)
            case "later" | "full":
                raise BrokerUnavailable(f"Redis refused the call: {refusal}")
            case "denied":
                raise ConfigurationError(f"Redis refused access: {refusal}; check user, password and ACL")
            case _:
                raise RuntimeError(f"Redis refused a command of the broker: {refusal}")

    def _load(self, name: str, deadline: float) -> None:
        self._attempt([("SCRIPT", "LOAD", script(name).text)], deadline, repeat=True)

    def _follow(self, refusal: str) -> None:
        host, _, port = refusal.split(" ")[2].rpartition(":")
        known = self._address.hosts[0][0] if self._address.hosts else ""
        self.close()
        self._moved_to = (host or known, int(port))

    def _ask_sentinels(self, deadline: float) -> tuple[str, int]:
        address = self._address
        login = Address(username=address.sentinel_username, password=address.sentinel_password, tls=address.tls)
        for host, port in address.hosts:
            try:
                sentinel = _first_reachable(login, [(host, port)], _share(deadline, len(address.hosts)))
            except BrokerUnavailable:
                continue
            try:
                command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service)
                reply: list[bytes] | None = sentinel.round_trip([command], deadline=deadline)[0]
            except BrokerUnavailable:
                continue
            finally:
                sentinel.close()
            if isinstance(reply, list):
                return reply[0].decode(), int(reply[1])
        raise BrokerUnavailable(f"no sentinel of {address.hosts} knows a master called {address.service!r}")


def _first_reachable(address: Address, hosts: Sequence[tuple[str, int]], deadline: float) -> Connection:
    for host, port in hosts[:-1]:
        try:
            return Connection(address, host, port, deadline=_share(deadline, len(hosts)))
        except BrokerUnavailable:
            continue
    return Connection(address, *hosts[-1], deadline=deadline)


def _share(deadline: float, parts: int) -> float:
    """A deadline that leaves time for the other candidates."""
    now = time.monotonic()
    return now + (deadline - now) / parts

"""Redis (or Valkey), for the tests."""

from __future__ import annotations

import contextlib
import itertools
import socket
from typing import TYPE_CHECKING

import hiredis

from tests.servers.ports import LOOPBACK
from tests.servers.program import Program
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

REDIS = Program(
    names=("redis-server", "valkey-server"),
    package="redis-server",
    suites="the contract, fault and integration tests that need Redis",
)

#: As most people run it for jobs: no snapshots, and a log that is synced every second.
DURABLE_EVERY_SECOND = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")

_DATABASES = 4096
_ANSWER_DEADLINE_S = 5.0
_CHUNK_BYTES = 65536


class RedisServer(Server):
    """A Redis server. `options` are command-line options of redis-server, e.g. its durability.

    Tests that share it each take a database of their own from `database()`. Pub/sub channels are
    shared by all databases; keys, scripts' effects and blocking reads are not.
    """

    def __init__(self, directory: Path, options: Sequence[str] = DURABLE_EVERY_SECOND) -> None:
        super().__init__(directory)
        self.options = tuple(options)
        self._numbers = itertools.cycle(range(1, _DATABASES))

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return self._url_of(0)

    @contextlib.contextmanager
    def database(self) -> Generator[str]:
        """The URL of an empty database that nobody else uses; emptied again if the server is up."""
        number = next(self._numbers)
        self.ask("FLUSHDB", database=number)
        yield self._url_of(number)
        with contextlib.suppress(OSError):
            self.ask("FLUSHDB", database=number)

    def command(self) -> list[str]:
        """Run in the foreground; only loopback, and only this directory's files."""
        place = ["--bind", LOOPBACK, "--port", str(self.port), "--dir", str(self.directory)]
        return [REDIS.path(), *place, "--daemonize", "no", "--databases", str(_DATABASES), *self.options]

    def answers(self) -> bool:
        """Whether it has loaded its files. Its process id tells it from a stranger on the same port."""
        try:
            facts = str(self.ask("INFO")).splitlines()
        except (OSError, hiredis.HiredisError):
            return False
        return f"process_id:{self.pid}" in facts and "loading:0" in facts

    def ask(self, *words: str, database: int = 0) -> object:
        """The answer to one command of plain words, on a connection of its own. Raises OSError while it is away."""
        with socket.create_connection((LOOPBACK, self.port), timeout=_ANSWER_DEADLINE_S) as connection:
            reader = hiredis.Reader(encoding="utf-8", errors="replace")
            connection.sendall(f"SELECT {database}\r\n{' '.join(words)}\r\n".encode())
            _selected, answer = _read(connection, reader), _read(connection, reader)
        if isinstance(answer, hiredis.HiredisError):
            raise answer
        return answer

    def _url_of(self, database: int) -> str:
        return f"redis://{LOOPBACK}:{self.port}/{database}"


def _read(connection: socket.socket, reader: hiredis.Reader) -> object:
    # The reader answers False for "not complete yet"; RESP 2 has no booleans that it could mean.
    while (answer := reader.gets()) is False:
        chunk = connection.recv(_CHUNK_BYTES)
        if not chunk:
            message = "the server closed the connection before it had answered"
            raise ConnectionResetError(message)
        reader.feed(chunk)
    return answer

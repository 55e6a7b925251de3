"""Where jobs wait while they are measured: servers and files of our own, the same for all."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import PostgresServer, RedisServer

_NO_PERSISTENCE = ("--save", "", "--appendonly", "no")
_LOG_SYNCED_EVERY_SECOND = ("--save", "", "--appendonly", "yes", "--appendfsync", "everysec")

STORE_NAMES = ("redis", "redis-aof", "postgres", "sqlite")

#: What each is, in words for the reader of the table.
STORE_SETUPS = {
    "redis": "Redis without persistence (--save '' --appendonly no)",
    "redis-aof": "Redis with a log synced every second, Treadle only; its peers' figures are those without",
    "postgres": "PostgreSQL with default settings (fsync and synchronous_commit are on), a new database for each turn",
    "sqlite": "an SQLite file, each with its own default settings",
}


class Store(Protocol):
    """A place for jobs."""

    def fresh_url(self) -> str:
        """Empty it; where it is."""
        ...


class RedisStore:
    """A Redis server that nobody else uses."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def fresh_url(self) -> str:
        """Forget everything, scripts too."""
        self._server.ask("FLUSHALL")
        self._server.ask("SCRIPT FLUSH")
        return self._server.url


class PostgresStore:
    """A new database each time, on a server that nobody else uses."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._database = ExitStack()

    def fresh_url(self) -> str:
        """An empty database; the one before is dropped."""
        self._database.close()
        return self._database.enter_context(self._server.database())


class SqliteStore:
    """A new file each time."""

    def __init__(self, folder: Path) -> None:
        self._paths = (folder / f"{number}.sqlite3" for number in itertools.count())

    def fresh_url(self) -> str:
        """A file that does not exist yet."""
        return f"sqlite:///{next(self._paths)}"


class NoStore:
    """For sessions without jobs."""

    def fresh_url(self) -> str:
        """Nowhere."""
        return ""


def open_store(name: str, folder: Path, stack: ExitStack) -> Store:
    """The store of that name. Its server runs until `stack` is closed, with its files in `folder`.

    Raises RuntimeError or OSError if it cannot be started.
    """
    if name not in STORE_NAMES:
        return NoStore()
    folder.mkdir()
    if name == "sqlite":
        return SqliteStore(folder)
    # Runs on SQLite do without the servers' client libraries.
    from tests.servers import PostgresServer, RedisServer

    if name == "postgres":
        return PostgresStore(stack.enter_context(PostgresServer(folder)))
    options = _NO_PERSISTENCE if name == "redis" else _LOG_SYNCED_EVERY_SECOND
    return RedisStore(stack.enter_context(RedisServer(folder, options)))

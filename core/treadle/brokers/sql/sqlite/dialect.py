"""SQLite as a store: one writer at a time, readers that never wait (in WAL mode), no server."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from treadle.brokers.sql.dialect import Bell
from treadle.brokers.sql.executor import Executor, Row
from treadle.brokers.sql.naming import namespace
from treadle.brokers.sql.publishing import job_row
from treadle.brokers.sql.sqlite import place
from treadle.brokers.sql.sqlite.bell import DatagramBell
from treadle.brokers.sql.sqlite.connections import Connections
from treadle.brokers.sql.sqlite.file import SqliteFile, translated
from treadle.brokers.sql.sqlite.joining import Commits, SqliteJoined, join
from treadle.brokers.sql.sqlite.turn import Turn
from treadle.brokers.sql.statements import Statements
from treadle.exceptions import NotSupported
from treadle.job import Job
from treadle.settlement import Complete

#: On a file that the application uses too, seconds between two transactions of one consumer.
_COURTESY_S: Final = 0.005


class SqliteDialect:
    """One SQLite file. Options: `namespace`, `sqlite_synchronous` (NORMAL, FULL or EXTRA)."""

    name = "sqlite"
    # The statement's clock: the same value wherever it stands in one statement. Julian days, because the shorter
    # unixepoch('subsec') is newer than the oldest SQLite we serve (3.35).
    now_ms = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    members = "IN (SELECT value FROM json_each(?))"
    types: ClassVar[Mapping[str, str]] = {
        "sequence": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "integer_key": "INTEGER PRIMARY KEY",
        "key": "TEXT",
        "blob": "BLOB",
    }
    has_partial_indexes = True
    migrates_itself = True
    # One writer at a time: nothing can change between looking and writing.
    locks: Mapping[str, str] = {}
    texts: Mapping[str, str] = {
        "standing": "SELECT {now_ms}, coalesce(max(seq), 0) FROM {job}",
        "insert": """
            INSERT INTO {job} (id, task, queue, priority, payload, options, created_ms, due_ms, expires_ms, redeliver)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING""",
        "enliven": """
            INSERT INTO {live} (seq, queue, priority, state, due_ms, expires_ms)
            SELECT seq, queue, priority, due_ms <= created_ms, due_ms, expires_ms FROM {job} WHERE seq > ?""",
    }
    net_s = (0.01, 0.25)
    deaf_net_s = (0.005, 0.1)

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.safe_url = url
        self.prefix = self.index_prefix = f"{namespace(options)}_"
        path = place.path_of(url)
        if path is None:
            message = "a SQLite database in memory cannot be shared with workers: use sqlite:///file.db, or memory://"
            raise NotSupported(message)
        self._path = path
        self._file = SqliteFile(path, self.prefix, options.get("sqlite_synchronous"))
        wake = path.with_name(path.name + "-wake")
        self.bell: Bell = DatagramBell(wake)
        self._turn = Turn(wake)
        self._commits = Commits()
        self._connections = Connections(self._file.connect)

    @property
    def courtesy_s(self) -> float:
        """Seconds a consumer leaves between two transactions."""
        return _COURTESY_S if self._file.is_shared else 0.0

    def pack(self, values: Sequence[Any]) -> str:
        """Many integers or texts as one JSON array."""
        return json.dumps(values)

    @contextmanager
    def reading(self) -> Generator[Executor]:
        """Our own connection, on which all queries see one state of the database."""
        with self._transaction("BEGIN") as executor:
            yield executor

    snapshot = reading

    @contextmanager
    def writing(self) -> Generator[Executor]:
        """Our own connection, as the one writer."""
        # At once, because a reader that turns writer can fail without a chance to wait for its turn.
        with self._turn.taken(), self._transaction("BEGIN IMMEDIATE") as executor:
            yield executor

    writing_once = writing

    def is_one_statement(self, jobs: Sequence[Job]) -> bool:
        """Never."""
        return False

    def insert_jobs(self, executor: Executor, sql: Statements, jobs: Sequence[Job]) -> bool:
        """Insert the jobs whose id is unknown, and make them live: nobody else writes meanwhile."""
        now_ms, last = executor.rows(sql.standing)[0]
        executor.many(sql.insert, [job_row(job, now_ms) for job in jobs])
        executor.run(sql.enliven, (last,))
        return True

    def complete(
        self, executor: Executor, sql: Statements, completes: Sequence[Complete], now_ms: int
    ) -> set[tuple[Any, int]]:
        """None: statements that both delete and insert are not SQLite's."""
        return set()

    def join(self, connection: Any) -> SqliteJoined:
        """The transaction that is open on the caller's connection."""
        return join(connection, self._path, self._commits)

    def changes(self) -> int | None:
        """A number that differs once another connection has written."""
        with self.reading() as executor:
            return int(executor.rows("PRAGMA data_version")[0][0])

    def is_conflict(self, error: Exception) -> bool:
        """Never: whoever has begun is the only writer."""
        return False

    def has_table(self, executor: Executor, table: str) -> bool:
        """Whether there is a table of that name."""
        return bool(executor.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)))

    def lock_schema(self, executor: Executor) -> None:
        """Whoever has begun is the only writer."""

    def is_absent(self, error: Exception) -> bool:
        """Whether the error says that a table does not exist."""
        return "no such table" in str(error)

    def refuse_consumers(self) -> None:
        """Raises NotSupported on a network file system."""
        if kind := place.network_system(self._path):
            message = (
                f"{self._path} is on a network file system ({kind}), where SQLite's locks do not hold: "
                f"put the file on a local disk, or use postgresql:// or redis://"
            )
            raise NotSupported(message)

    def advice(self) -> list[str]:
        """What is wrong or risky about the file, one sentence each."""
        with self._transaction("BEGIN") as executor:
            return self._file.advice(executor)

    def close(self) -> None:
        """Drop this process's connections."""
        self._connections.close()

    @contextmanager
    def _transaction(self, begin: str) -> Generator[Executor]:
        with self._connections.use() as connection:
            if connection.in_transaction:
                # An exception from a signal handler (Ctrl-C) can strike where no `except` is in force yet.
                connection.execute("ROLLBACK")
            try:
                connection.execute(begin)
                yield _Statements(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and not self.is_absent(error):
                    raise translated(error, self._file.path) from error
                raise


class _Statements:
    """Runs statements on one of our own connections: the shortest way there is."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        return self._connection.execute(sql, parameters).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        return self._connection.execute(sql, parameters).rowcount

    def many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement once per set of parameters."""
        self._connection.executemany(sql, parameters)

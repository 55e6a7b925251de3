"""One database file: how it is opened, whose it is, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

from treadle.brokers.sql.executor import Executor
from treadle.brokers.sql.sqlite import place
from treadle.brokers.sql.sqlite.turn import PATIENCE_S
from treadle.exceptions import BrokerUnavailable, ConfigurationError, TreadleError
from treadle.interfaces import CALL_DEADLINE_S

OLDEST: Final = (3, 35, 0)
#: What is left of a call's deadline after waiting for a turn, less the time to say that it was in vain.
BUSY_S: Final = CALL_DEADLINE_S - PATIENCE_S - 0.3
#: Pages in the WAL, 4 KiB each, after which they are copied to the database. SQLite's own 1,000 cost a fifth of the
#: time of publishing one by one: a publish changes five pages, the same ones again and again, and every copying waits
#: for the disk twice.
_CHECKPOINT_PAGES: Final = 4_000
_SYNCHRONOUS: Final = ("NORMAL", "FULL", "EXTRA")
_UNAVAILABLE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk does not read or write",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_PROTOCOL: "its locks could not be taken",
}
_MISCONFIGURED: Final = {
    sqlite3.SQLITE_READONLY: "it is read-only for this user: change its permissions or owner",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: look at the permissions of the file and its directory",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database: name another file in the URL",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore it from a backup, or recover it with the sqlite3 command",
}


class SqliteFile:
    """A database at `path`, whose tables with `prefix` are ours.

    `synchronous` is NORMAL (every commit survives the death of any process; the last ones may be lost when
    the machine loses power), FULL (they survive that, too, at the price of one fsync each), EXTRA (FULL, and
    without WAL the directory is synced as well), or None: NORMAL in WAL mode, FULL without, where NORMAL would
    risk the file (https://sqlite.org/pragma.html#pragma_synchronous).
    """

    def __init__(self, path: Path, prefix: str, synchronous: str | None) -> None:
        self.path = path
        self._prefix = prefix
        self._synchronous = synchronous
        #: Whether somebody else keeps tables in it; known once a connection was opened.
        self.is_shared = False
        if synchronous not in (None, *_SYNCHRONOUS):
            expected = ", ".join(_SYNCHRONOUS)
            raise ConfigurationError(f"sqlite_synchronous is {synchronous!r}: expected one of {expected}, or None")

    def connect(self) -> sqlite3.Connection:
        """A new connection. Raises ConfigurationError if the file cannot be used, BrokerUnavailable if it is locked."""
        if sqlite3.sqlite_version_info < OLDEST:
            message = f"SQLite {sqlite3.sqlite_version} is too old: 3.35 is needed; use a newer Python or libsqlite3"
            raise ConfigurationError(message)
        place.require_usable(self.path)
        try:
            # Connections are used by one thread each, but closed by whoever forks or closes the broker.
            connection = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise translated(error, self.path) from error
        return connection

    def advice(self, executor: Executor) -> list[str]:
        """What is wrong or risky about the file, one sentence each."""
        found: list[str] = []
        mode = executor.rows("PRAGMA journal_mode")[0][0]
        if mode != "wal":
            found.append(
                f"{self.path} is in journal mode {mode}, in which readers and writers block each other: "
                f"run PRAGMA journal_mode=WAL on it once (Treadle does not change a file that holds other tables)."
            )
        if self.is_shared:
            found.append(
                f"{self.path} holds other tables too, so the application and the workers wait for each other's "
                f"transactions: begin them with BEGIN IMMEDIATE (Django: OPTIONS transaction_mode IMMEDIATE), keep "
                f"them short, or give jobs a file of their own."
            )
        if kind := place.network_system(self.path):
            found.append(f"{self.path} is on a network file system ({kind}), where SQLite's locks do not hold.")
        return found

    def _prepare(self, connection: sqlite3.Connection) -> None:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.is_shared = any(not name.startswith(("sqlite_", "treadle_", self._prefix)) for name in names)
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal" and not self.is_shared:
            mode = _switch_to_wal(connection)
        synchronous = self._synchronous or ("NORMAL" if mode == "wal" else "FULL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -8000")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")


def translated(error: sqlite3.Error, path: Path) -> TreadleError:
    """What an error of SQLite means to the caller."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        holder = place.lock_holder(path)
        by = f"process {holder}" if holder else "another transaction"
        message = f"{path} has been locked by {by} for {CALL_DEADLINE_S:.0f} s ({error}): keep transactions short"
        return BrokerUnavailable(message)
    if reason := _UNAVAILABLE.get(code):
        return BrokerUnavailable(f"{path} cannot be used now, {reason} ({error}): try again when that is mended")
    if reason := _MISCONFIGURED.get(code):
        return ConfigurationError(f"{path} cannot be used, {reason} ({error})")
    return BrokerUnavailable(f"{path} did not answer: {error}")


def _switch_to_wal(connection: sqlite3.Connection) -> str:
    """The journal mode afterwards. SQLite does not wait for its turn here, so we do."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)

"""The caller's own transaction on our SQLite file, through whatever library they use."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from treadle.brokers.sql.executor import DbapiExecutor, Executor, SqlAlchemyExecutor, is_sqlalchemy, sqlalchemy_target
from treadle.exceptions import ConfigurationError


class Commits:
    """Tells of commits on other people's SQLAlchemy sessions and connections, once for each that joined."""

    def __init__(self) -> None:
        self._calls: WeakKeyDictionary[Any, Callable[[], None]] = WeakKeyDictionary()

    def await_one(self, target: Any, call: Callable[[], None]) -> None:
        """Call `call` once `target` commits.

        A Session tells after the commit. A Connection tells just before: whoever is woken too early looks
        again within milliseconds.
        """
        # Whoever passes a SQLAlchemy object has it loaded; nobody else must pay for it.
        from sqlalchemy import event

        self._calls[target] = call
        name = "commit" if hasattr(target, "exec_driver_sql") else "after_commit"
        # Listening twice with one method on one target counts once.
        event.listen(target, name, self._committed)

    def _committed(self, target: Any) -> None:
        if call := self._calls.pop(target, None):
            call()


class SqliteJoined:
    """An open transaction that is not ours. `target` is the SQLAlchemy object that can tell of its commit."""

    def __init__(self, executor: Executor, commits: Commits, target: Any = None) -> None:
        self.executor = executor
        self._commits = commits
        self._target = target

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call it once the caller commits, if SQLAlchemy can tell us; a waiting consumer looks soon anyway."""
        if self._target is not None:
            self._commits.await_one(self._target, call)


def join(connection: Any, path: Path, commits: Commits) -> SqliteJoined:
    """The transaction that is open on `connection`, or that it opens with its first statement.

    Raises ConfigurationError if there is none, or if it is on another database than the one at `path`.
    """
    if is_sqlalchemy(connection):
        target = sqlalchemy_target(connection)
        bound = target if hasattr(target, "exec_driver_sql") else target.connection()
        joined = SqliteJoined(SqlAlchemyExecutor(bound), commits, target)
        raw = bound.connection.driver_connection
    else:
        joined = SqliteJoined(DbapiExecutor(connection), commits)
        raw = connection
    if not isinstance(raw, sqlite3.Connection):
        message = f"cannot join a transaction of {type(raw).__name__}: this broker is the SQLite file {path}"
        raise ConfigurationError(message)
    _require_same_file(joined.executor, path)
    _require_transaction(joined.executor, raw)
    return joined


def _require_same_file(executor: Executor, path: Path) -> None:
    files = {name: file for _, name, file in executor.rows("PRAGMA database_list")}
    if not files.get("main") or not path.exists() or not path.samefile(files["main"]):
        message = f"the connection is to {files.get('main') or 'memory'!r}, and this broker to {str(path)!r}: "
        raise ConfigurationError(message + "pass a connection to the broker's own database, or none")


def _require_transaction(executor: Executor, raw: sqlite3.Connection) -> None:
    if raw.in_transaction:
        return
    is_autocommit = raw.isolation_level is None or getattr(raw, "autocommit", False) is True
    if is_autocommit:
        message = "the connection has no open transaction: begin one first, or publish without `connection`"
        raise ConfigurationError(message)
    # sqlite3 itself would begin at the first INSERT only, after we have read what the INSERT relies on.
    executor.run("BEGIN IMMEDIATE")

"""The caller's own transaction on our PostgreSQL database, through whatever library they use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from treadle.brokers.sql.executor import DbapiExecutor, Executor, SqlAlchemyExecutor, is_sqlalchemy, sqlalchemy_target
from treadle.brokers.sql.postgres.literals import columns
from treadle.exceptions import ConfigurationError

_DRIVERS: Final = ("psycopg", "psycopg2", "pg8000")


class PostgresJoined:
    """An open transaction that is not ours. `channel`: whom to notify, which the server does when it commits."""

    def __init__(self, executor: Executor, channel: str) -> None:
        self.executor = executor
        self._channel = channel

    def after_commit(self, call: Callable[[], None]) -> None:
        """Notify consumers, now: a notification belongs to its transaction."""
        if self._channel:
            self.executor.rows("SELECT pg_notify(?::text, '')", (self._channel,))


class Plain:
    """A DBAPI connection whose rows are tuples, whatever its owner makes of rows."""

    def __init__(self, connection: Any, driver: str) -> None:
        self._connection = connection
        self._driver = driver

    def cursor(self) -> Any:
        """A new cursor."""
        # The owner has these modules loaded; nobody else needs them.
        if self._driver == "psycopg":
            plain = sys.modules["psycopg"].Cursor
            return plain(self._connection, row_factory=sys.modules["psycopg.rows"].tuple_row)
        if self._driver == "psycopg2":
            return self._connection.cursor(cursor_factory=sys.modules["psycopg2.extensions"].cursor)
        return self._connection.cursor()


class ByColumns:
    """Hands a statement that is written for arrays the columns of all sets of parameters, as our own sessions do."""

    def __init__(self, executor: Executor) -> None:
        self.rows = executor.rows
        self.run = executor.run

    def many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement with all sets of parameters."""
        self.run(sql, columns(list(parameters)))


def join(connection: Any, is_ours: Callable[[str], bool], channel: str) -> PostgresJoined:
    """The transaction that is open on `connection`, or that its driver opens with the first statement.

    Raises ConfigurationError if there is none, or if it is on a database of a name that is not ours. None of our
    questions can fail there: an error would break off the caller's transaction.
    """
    executor: Executor
    if is_sqlalchemy(connection):
        target = sqlalchemy_target(connection)
        bound = target if hasattr(target, "exec_driver_sql") else target.connection()
        if bound.dialect.name != "postgresql":
            raise _foreign(bound.dialect.name)
        executor, raw = SqlAlchemyExecutor(bound), bound.connection.dbapi_connection
    else:
        executor, raw = DbapiExecutor(Plain(connection, _driver_of(connection)), "%s"), connection
    if getattr(raw, "autocommit", False) and not _is_in_transaction(raw):
        message = "the connection has no open transaction: begin one first, or publish without `connection`"
        raise ConfigurationError(message)
    name = str(executor.rows("SELECT current_database()")[0][0])
    if not is_ours(name):
        message = f"the connection is to another database than this broker's, {name!r}: "
        raise ConfigurationError(message + "pass a connection to the broker's own database, or none")
    return PostgresJoined(ByColumns(executor), channel)


def _driver_of(connection: Any) -> str:
    """The driver's name. By the class that the connection says it has: tracing libraries wrap it."""
    packages = [kind.__module__.partition(".")[0] for kind in connection.__class__.__mro__]
    driver = next((package for package in packages if package in _DRIVERS), "")
    if not driver or hasattr(connection, "__aenter__"):
        raise _foreign(f"{connection.__class__.__module__}.{connection.__class__.__name__}")
    return driver


def _foreign(kind: str) -> ConfigurationError:
    message = f"cannot join a transaction of {kind}: this broker is a PostgreSQL database; pass a connection of psycopg"
    return ConfigurationError(f"{message}, psycopg2 or pg8000, or of SQLAlchemy (for asyncpg within its `run_sync`)")


def _is_in_transaction(connection: Any) -> bool:
    """Whether a transaction was begun by word on a connection in autocommit mode, as far as the driver tells."""
    info = getattr(connection, "info", None)
    status = getattr(info, "transaction_status", 0)
    return int(status) != 0

"""How statements reach a database: our own connections, or the caller's.

Statements are written with `?` for parameters; an executor hands them to its driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from treadle.exceptions import ConfigurationError

Row = tuple[Any, ...]


class Executor(Protocol):
    """Runs statements on one connection. Begins and ends no transaction."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        ...

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        ...

    def many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement once per set of parameters."""
        ...


class DbapiExecutor:
    """Runs statements on a DBAPI connection (PEP 249) whose parameters are spelt `?` (or `%s`, see `spelling`)."""

    def __init__(self, connection: Any, spelling: str = "?") -> None:
        self._connection = connection
        self._spelling = spelling

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(self._spell(sql), parameters)
            return [tuple(row) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(self._spell(sql), parameters)
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement once per set of parameters."""
        cursor = self._connection.cursor()
        try:
            cursor.executemany(self._spell(sql), list(parameters))
        finally:
            cursor.close()

    def _spell(self, sql: str) -> str:
        return sql if self._spelling == "?" else sql.replace("?", self._spelling)


class SqlAlchemyExecutor:
    """Runs statements on a SQLAlchemy `Connection`, as they are: past its compiler, inside its transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._paramstyle = str(connection.dialect.paramstyle)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        return [tuple(row) for row in self._execute(sql, tuple(parameters)).fetchall()]

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        return int(self._execute(sql, tuple(parameters)).rowcount)

    def many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement once per set of parameters."""
        if rows := [tuple(row) for row in parameters]:
            self._execute(sql, rows)

    def _execute(self, sql: str, parameters: Any) -> Any:
        return self._connection.exec_driver_sql(_spelled(sql, self._paramstyle), parameters or None)


def _spelled(sql: str, paramstyle: str) -> str:
    """A statement with its parameters as PEP 249 names their style, or SQLAlchemy, which adds `$1`."""
    if paramstyle.startswith("numeric"):
        sign = "$" if paramstyle == "numeric_dollar" else ":"
        first, *others = sql.split("?")
        return first + "".join(f"{sign}{number}{text}" for number, text in enumerate(others, 1))
    return sql.replace("?", "%s") if paramstyle in {"format", "pyformat"} else sql


def is_sqlalchemy(connection: Any) -> bool:
    """Whether this is a SQLAlchemy connection or session, told without importing SQLAlchemy."""
    return any(kind.__module__.partition(".")[0] == "sqlalchemy" for kind in type(connection).__mro__)


def sqlalchemy_target(connection: Any) -> Any:
    """The synchronous Session or Connection in a scoped_session, AsyncSession or AsyncConnection, or itself.

    An asynchronous one works only inside its `run_sync`, where synchronous methods may be called.
    """
    for name in ("sync_session", "sync_connection"):
        connection = getattr(connection, name, None) or connection
    if hasattr(connection, "exec_driver_sql"):
        return connection
    if hasattr(connection, "registry"):
        connection = connection.registry()
    if hasattr(connection, "connection"):
        return connection
    message = f"cannot publish through a {type(connection).__name__}: pass an open SQLAlchemy Connection or Session"
    raise ConfigurationError(message)

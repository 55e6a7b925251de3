"""The caller's own transaction on our MySQL or MariaDB database, through whatever library they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pymysql.constants import SERVER_STATUS

from treadle.brokers.sql.executor import DbapiExecutor, Executor, SqlAlchemyExecutor, is_sqlalchemy, sqlalchemy_target
from treadle.exceptions import ConfigurationError

_DRIVERS: Final = ("pymysql", "MySQLdb", "mysql", "mariadb", "aiomysql", "asyncmy")


class MySqlJoined:
    """An open transaction that is not ours."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def after_commit(self, call: Callable[[], None]) -> None:
        """Never: who waits looks for itself."""


def join(connection: Any, database: str) -> MySqlJoined:
    """The transaction that is open on `connection`, or that the server opens with the first statement.

    Raises ConfigurationError if there is none, or if it is on another database than `database`.
    """
    executor: Executor
    if is_sqlalchemy(connection):
        target = sqlalchemy_target(connection)
        bound = target if hasattr(target, "exec_driver_sql") else target.connection()
        _require_mysql(bound.dialect.name)
        executor = SqlAlchemyExecutor(bound)
        raw = bound.connection.driver_connection
    else:
        _require_mysql(_driver_of(connection))
        executor = DbapiExecutor(connection, "%s")
        raw = connection
    found, autocommits = executor.rows("SELECT DATABASE(), @@autocommit")[0]
    if found != database:
        message = f"the connection is to the database {found!r}, and this broker to {database!r}: "
        raise ConfigurationError(message + "pass a connection to the broker's own database, or none")
    if autocommits and not _is_in_transaction(raw, executor):
        message = "the connection has no open transaction: begin one first, or publish without `connection`"
        raise ConfigurationError(message)
    return MySqlJoined(executor)


def _driver_of(connection: Any) -> str:
    packages = [kind.__module__.partition(".")[0] for kind in type(connection).__mro__]
    return next((package for package in packages if package in _DRIVERS), packages[0])


def _require_mysql(name: str) -> None:
    if name not in _DRIVERS:
        raise ConfigurationError(f"cannot join a transaction of {name}: this broker is a MySQL or MariaDB database")


def _is_in_transaction(raw: Any, executor: Executor) -> bool:
    """Whether a transaction was begun by word in autocommit mode, as far as driver or server tell."""
    status = getattr(raw, "server_status", None)
    if isinstance(status, int):
        return bool(status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)
    is_open = getattr(raw, "in_transaction", None)
    if isinstance(is_open, bool):
        return is_open
    # Only MariaDB has this variable.
    known = executor.rows("SHOW VARIABLES LIKE 'in_transaction'")
    return bool(known) and str(known[0][1]) in {"1", "ON"}

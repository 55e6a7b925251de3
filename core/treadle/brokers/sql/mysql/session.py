"""Running statements on our own connections to MySQL or MariaDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import pymysql

from treadle.brokers.sql.executor import Row
from treadle.brokers.sql.mysql.errors import was_done_before
from treadle.brokers.sql.mysql.link import LOCK_WAIT_S, Link
from treadle.exceptions import BrokerUnavailable


class Session:
    """Runs statements on one connection. `begin` is sent before the first of them."""

    __slots__ = ("_begin", "_cursor", "_link", "_lock")

    def __init__(self, link: Link, *begin: str) -> None:
        self._link = link
        self._begin = begin
        self._cursor = link.cursor()
        self._lock = ""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        self._execute(sql, parameters)
        return list(self._cursor.fetchall())

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement found and changed."""
        try:
            return self._execute(sql, parameters)
        except pymysql.MySQLError as error:
            if self._lock and was_done_before(error):
                return 0
            raise

    def many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement once per set of parameters; an INSERT of many rows at once."""
        self._begin_now()
        self._cursor.executemany(_spelled(sql), list(parameters))

    def lock(self, name: str) -> None:
        """Keep other sessions from locking that name until `end`. Raises BrokerUnavailable if one has it.

        Meanwhile statements that make what is there already count as done: changes of the schema are committed one
        by one, so a migration that died is repeated from its start.
        """
        if self.rows("SELECT GET_LOCK(?, ?)", (name, LOCK_WAIT_S)) != [(1,)]:
            raise BrokerUnavailable("another process is migrating the database: try again when it is done")
        self._lock = name

    def end(self, word: str) -> None:
        """COMMIT or ROLLBACK, if anything was begun."""
        if not self._begin:
            self._link.query(word)
        if self._lock:
            self._link.query(f"DO RELEASE_LOCK({self._link.escape(self._lock)})")

    def _execute(self, sql: str, parameters: Sequence[Any]) -> int:
        self._begin_now()
        return self._cursor.execute(_spelled(sql), tuple(parameters)) if parameters else self._cursor.execute(sql)

    def _begin_now(self) -> None:
        if self._begin:
            for word in self._begin:
                self._link.query(word)
            self._begin = ()


@lru_cache(maxsize=256)
def _spelled(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")

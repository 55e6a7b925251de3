"""Statements and answers over libpq, as psycopg wraps it: one question, one answer, within the deadline.

psycopg's cursors do the same through layers that serve everybody. Here that is half of the client's time for a
statement, and a step has ten: publishing one job took 200 µs of the client's processor with them.
https://www.postgresql.org/docs/current/libpq-async.html
"""

from __future__ import annotations

import itertools
import select
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from treadle.brokers.sql.executor import Row
from treadle.interfaces import CALL_DEADLINE_S

#: The longest wait for one answer: what is left of a call's deadline once the call has said that it was in vain.
ANSWER_S: Final = CALL_DEADLINE_S - 0.5

# Types by their numbers (pg_type.oid). Texts are of no type, so that the server takes them for what it expects.
_ANY, _BYTEA, _INT8 = 0, 17, 20
_GOOD: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY)
#: A statement that was prepared before its tables changed.
_STALE_PLAN: Final = "0A000"


class Wire:
    """Asks on one connection. Used by one thread at a time. Raises psycopg.Error."""

    def __init__(self, connection: psycopg.Connection[Any], *, prepares: bool) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        #: Statements are prepared when they are first asked.
        self.prepares = prepares
        self._names: dict[tuple[str, bytes], bytes] = {}
        self._numbers = itertools.count()

    def ask(self, sql: str, parameters: Sequence[Any]) -> PGresult:
        """The answer to one statement, prepared when it is asked for the first time. Its values are binary."""
        values, types, formats = _encoded(parameters)
        if not self.prepares:
            self._libpq.send_query_params(_numbered(sql), values, types, formats, Format.BINARY)
            return self._answer()
        key = sql, bytes(types)
        name = self._names.get(key) or self._prepare(key, types)
        self._libpq.send_query_prepared(name, values, formats, Format.BINARY)
        try:
            return self._answer()
        except psycopg.Error as error:
            if error.sqlstate == _STALE_PLAN:
                del self._names[key]
            raise

    def say(self, text: str) -> PGresult:
        """The answer to the last of several statements without parameters. Its values are texts."""
        self._libpq.send_query(text.encode())
        return self._answer()

    def rows(self, result: PGresult) -> list[Row]:
        """The rows of an answer."""
        if not result.ntuples:
            return []
        reader = Transformer(self._connection)
        reader.set_pgresult(result, format=Format(result.fformat(0)))
        return reader.load_rows(0, result.ntuples, tuple)

    def _prepare(self, key: tuple[str, bytes], types: Sequence[int]) -> bytes:
        name = f"treadle_{next(self._numbers)}".encode()
        self._libpq.send_prepare(name, _numbered(key[0]), types)
        self._answer()
        self._names[key] = name
        return name

    def _answer(self) -> PGresult:
        """What the server says to what was sent last; of several answers the last, or the first error."""
        last: PGresult | None = None
        failed: PGresult | None = None
        while (result := self._next_answer()) is not None:
            last = result
            if result.status not in _GOOD:
                failed = failed or result
        if failed is not None:
            raise psycopg.errors.error_from_result(failed, encoding="utf-8")
        if last is None:
            raise psycopg.OperationalError("the connection was lost before there was an answer")
        return last

    def _next_answer(self) -> PGresult | None:
        self._await_answer()
        return self._libpq.get_result()

    def _await_answer(self) -> None:
        """Return when the next answer can be had without waiting."""
        libpq, deadline_s = self._libpq, time.monotonic() + ANSWER_S
        unsent = libpq.flush()
        while unsent or libpq.is_busy():
            poll = select.poll()
            poll.register(libpq.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            if not poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
                raise psycopg.OperationalError(f"no answer within {ANSWER_S:.1f} s")
            # Also while there is more to send: a server that cannot get rid of its answers reads no more.
            libpq.consume_input()
            unsent = libpq.flush() if unsent else 0


def _encoded(parameters: Sequence[Any]) -> tuple[list[bytes | None], list[int], list[int]]:
    """Values, types and formats for libpq."""
    values: list[bytes | None] = []
    types: list[int] = []
    formats: list[int] = []
    for parameter in parameters:
        if isinstance(parameter, str):
            if "\0" in parameter:
                raise psycopg.DataError("PostgreSQL text cannot contain NUL characters")  # libpq would end it there
            values.append(parameter.encode())
            types.append(_ANY)
            formats.append(0)
        elif isinstance(parameter, int):
            values.append(b"%d" % parameter)
            types.append(_INT8)
            formats.append(0)
        elif parameter is None:
            values.append(None)
            types.append(_ANY)
            formats.append(0)
        else:
            values.append(bytes(parameter))
            types.append(_BYTEA)
            formats.append(1)
    return values, types, formats


@lru_cache(maxsize=256)
def _numbered(sql: str) -> bytes:
    """A statement whose parameters are `$1`, `$2` ..."""
    first, *others = sql.split("?")
    return (first + "".join(f"${number}{text}" for number, text in enumerate(others, 1))).encode()

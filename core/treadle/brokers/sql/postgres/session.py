"""Running statements on our own connections to PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from treadle.brokers.sql.executor import Row
from treadle.brokers.sql.postgres.literals import columns
from treadle.brokers.sql.postgres.wire import Wire

#: The tables swing between empty and full, faster than their statistics: walk the indexes that were made for each
#: question, whatever the planner believes it knows, and plan each statement once.
PLANNING: Final = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # Not a matter of plans, but as little to be left to chance: NULL in an array is no text.
    "array_nulls": "on",
}
#: The server gives up before we do: else it would wait on, for the sake of nobody, with a session of its own each time.
LOCK_WAIT_MS: Final = 4000
#: A transaction whose client is gone, unknown to the server, ends before the lease that it has locked.
IDLE_MS: Final = 10_000


class Session:
    """Runs statements on one connection. `begin` is sent along with the first of them."""

    __slots__ = ("_begin", "_has_written", "_wire")

    def __init__(self, wire: Wire, begin: str = "") -> None:
        self._wire = wire
        self._begin = begin
        self._has_written = False

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        if self._begin:
            if not parameters:
                return self._begin_with(sql)
            self._begin_now()
        self._has_written |= not sql.startswith("SELECT")
        return self._wire.rows(self._wire.ask(sql, parameters))

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement changed."""
        self._begin_now()
        self._has_written = True
        return self._wire.ask(sql, parameters).command_tuples or 0

    def many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement, which is written for arrays, with the columns of all sets of parameters."""
        self._begin_now()
        self._has_written = True
        self._wire.ask(sql, columns(list(parameters)))

    def commit(self) -> None:
        """Make what was written last. What only locked rows is undone instead, which waits for no disk."""
        self._end("COMMIT" if self._has_written else "ROLLBACK")

    def roll_back(self) -> None:
        """Undo what was written."""
        self._end("ROLLBACK")

    def _end(self, word: str) -> None:
        if not self._begin:
            self._wire.say(word)

    def _begin_now(self) -> None:
        if self._begin:
            self._wire.say(self._begin)
            self._begin = ""

    def _begin_with(self, sql: str) -> list[Row]:
        answer = self._wire.say(f"{self._begin}; {sql}")
        self._begin = ""
        return self._wire.rows(answer)

"""A connection to PostgreSQL that never waits for ever."""

from __future__ import annotations

import os
from typing import Any, Self

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

from treadle.brokers.sql.postgres.wire import ANSWER_S, Wire
from treadle.exceptions import BrokerUnavailable, ConfigurationError, TreadleError

#: libpq gives no code for a connection that was refused, but words.
_REFUSALS = ("authentication failed", "no password supplied", "no pg_hba.conf entry", "does not exist")


class Link(psycopg.Connection[Any]):
    """A psycopg connection in autocommit mode: transactions are begun by word.

    A forked child leaves it alone: to hang up would end its parent's session.
    """

    is_pooled: bool
    #: The short way to the server, for all but a few statements.
    wire: Wire
    _is_dead = False
    _pid = 0

    @classmethod
    def open(cls, conninfo: str, safe_url: str, *, hosts: int = 1) -> Self:
        """Connect to the first of so many hosts that answers.

        Raises BrokerUnavailable within the deadline (for up to two hosts), ConfigurationError if we are not let in.
        """
        try:
            link = cls.connect(
                conninfo,
                autocommit=True,
                prepare_threshold=None,
                # Per host; psycopg waits no shorter than 2 s.
                connect_timeout=max(int(ANSWER_S) // hosts, 2),
                client_encoding="UTF8",
                fallback_application_name="treadle",
            )
            link.look_around()
        except psycopg.Error as error:
            raise translated(error, safe_url) from error
        return link

    def look_around(self) -> None:
        """Find out whether a pooler stands between us and the server. Once, first of all."""
        self._pid = os.getpid()
        # A pooler that lends server connections by the transaction has process ids of its own.
        serving = self.execute("SELECT pg_backend_pid()", prepare=False).fetchall()
        self.is_pooled = serving != [(self.info.backend_pid,)]
        # What was prepared on one server connection is unknown to the next.
        self.wire = Wire(self, prepares=not self.is_pooled)

    def wait(self, gen: PQGen[Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        """As psycopg's, but for so long only that a call keeps its deadline."""
        try:
            return super().wait(gen, interval, ANSWER_S if timeout is None else timeout)
        except BaseException:
            # Whatever interrupted it, an answer may still be on its way.
            self._is_dead = self.pgconn.transaction_status == TransactionStatus.ACTIVE
            raise

    def close(self) -> None:
        """Hang up, in the process that opened it."""
        if self._pid == os.getpid():
            super().close()

    def __del__(self, *_: object) -> None:
        # Whoever forgets to close it shall not leave a session behind.
        self.close()

    def is_clean(self) -> bool:
        """Whether it is open, outside of a transaction, and no answer is on its way."""
        return not self._is_dead and self.pgconn.transaction_status == TransactionStatus.IDLE


def translated(error: psycopg.Error, safe_url: str) -> TreadleError:
    """What an error of PostgreSQL, or of the way to it, means to the caller."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg.errors.LockNotAvailable):
        message = f"another transaction on {safe_url} holds what we need, and does not end: {text}"
        return BrokerUnavailable(f"{message}; keep transactions that publish short, and try again")
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        message = f"{safe_url} takes no writes: {text}; if it is a standby, name the primary, or all of them and"
        return BrokerUnavailable(f"{message} target_session_attrs=read-write, and try again")
    if is_refusal(error):
        return ConfigurationError(f"{safe_url} does not let us in or do what we ask: {text}")
    if error.sqlstate:
        return BrokerUnavailable(f"{safe_url} cannot do it just now: {text}; try again later")
    return BrokerUnavailable(f"{safe_url} did not answer: {text}; try again when the server is back")


def is_refusal(error: psycopg.Error) -> bool:
    """Whether the server is there and says no: trying again would not help."""
    state = error.sqlstate or ""
    # https://www.postgresql.org/docs/current/errcodes-appendix.html: data, authorization, catalog, syntax and access.
    if state:
        return state[:2] in {"22", "28", "3D", "3F", "42"}
    return isinstance(error, psycopg.DataError) or any(word in str(error) for word in _REFUSALS)

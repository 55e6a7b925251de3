"""MySQL and MariaDB as a store: rows are locked one by one, and whoever waits looks for itself."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, ClassVar, Final, cast

import pymysql

from treadle.brokers.sql.dialect import Bell
from treadle.brokers.sql.executor import Executor
from treadle.brokers.sql.mysql import errors
from treadle.brokers.sql.mysql.address import parse_address
from treadle.brokers.sql.mysql.advice import advice
from treadle.brokers.sql.mysql.joining import MySqlJoined, join
from treadle.brokers.sql.mysql.link import Link
from treadle.brokers.sql.mysql.session import Session
from treadle.brokers.sql.mysql.statements import LOCKS, NOW_MS, TEXTS, TYPES
from treadle.brokers.sql.naming import namespace
from treadle.brokers.sql.pool import Pool
from treadle.brokers.sql.publishing import chunks, job_row
from treadle.brokers.sql.silence import Silence
from treadle.brokers.sql.statements import Statements
from treadle.exceptions import ConfigurationError
from treadle.job import Job
from treadle.settlement import Complete

#: Jobs, and bytes of theirs, per statement: beyond that one takes so long that others wait for its rows.
MAX_JOBS: Final = 1000
MAX_BYTES: Final = 4 * 2**20
_SNAPSHOT: Final = (
    # For the next transaction alone.
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)


class MySqlDialect:
    """One MySQL or MariaDB database. Options: `namespace`."""

    name = "mysql"
    now_ms = NOW_MS
    members = "IN ?"
    locks = LOCKS
    texts = TEXTS
    types: ClassVar[Mapping[str, str]] = TYPES
    has_partial_indexes = False
    # A change of the schema would commit the caller's transaction.
    migrates_itself = False
    courtesy_s = 0.0
    net_s = deaf_net_s = (0.005, 0.1)
    #: Names of indexes are each table's own.
    index_prefix = ""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._address = parse_address(url)
        self.safe_url = self._address.safe_url
        self.prefix = f"{namespace(options)}_"
        self.bell: Bell = Silence()
        self._pool = Pool(lambda: Link.to(self._address))

    def pack(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Many integers or texts as one tuple, which PyMySQL writes as a list in brackets; NULL is no member."""
        return tuple(values) or (None,)

    @contextmanager
    def reading(self) -> Generator[Executor]:
        """Our own connection for queries, each of which sees what has been committed before it."""
        with self._lent() as link:
            yield Session(link)

    def snapshot(self) -> AbstractContextManager[Executor]:
        """Our own connection, on which all queries see one state of the database."""
        return self._transaction(*_SNAPSHOT)

    def writing(self) -> AbstractContextManager[Executor]:
        """Our own connection inside a transaction: each statement sees what has been committed before it."""
        return self._transaction("START TRANSACTION")

    writing_once = writing

    def is_one_statement(self, jobs: Sequence[Job]) -> bool:
        """Never."""
        return False

    def insert_jobs(self, executor: Executor, sql: Statements, jobs: Sequence[Job]) -> bool:
        """Insert the jobs whose id is unknown, and make them live. Nobody can be told."""
        now_ms = executor.rows(sql.now)[0][0]
        for chunk in chunks(jobs, MAX_JOBS, MAX_BYTES):
            executor.many(sql.insert, [job_row(job, now_ms) for job in chunk])
            # Spelled out, because a caller's driver may know no lists.
            newborn = sql.newborn.format(ids=", ".join("?" * len(chunk)))
            executor.many(sql.enliven, executor.rows(newborn, [job.id for job in chunk]))
        return False

    def complete(
        self, executor: Executor, sql: Statements, completes: Sequence[Complete], now_ms: int
    ) -> set[tuple[Any, int]]:
        """None: there are no statements that both delete and insert."""
        return set()

    def join(self, connection: Any) -> MySqlJoined:
        """The transaction that is open on the caller's connection."""
        return join(connection, self._address.database)

    def changes(self) -> int | None:
        """None: the server keeps no number that tells of other sessions' commits at a glance."""
        return None

    def is_conflict(self, error: Exception) -> bool:
        """Whether the database broke off our transaction for another's sake."""
        return errors.is_conflict(error)

    def has_table(self, executor: Executor, table: str) -> bool:
        """Whether there is a table of that name."""
        found = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?"
        return bool(executor.rows(found, (table,)))

    def lock_schema(self, executor: Executor) -> None:
        """Keep others from migrating until `writing` ends; no transaction can, since changes of the schema end it."""
        digest = hashlib.sha256(f"{self._address.database}.{self.prefix}".encode()).hexdigest()
        cast("Session", executor).lock(f"treadle.{digest[:40]}")

    def is_absent(self, error: Exception) -> bool:
        """Whether the error says that a table does not exist."""
        return errors.is_absent(error)

    def refuse_consumers(self) -> None:
        """Every process can share it."""

    def advice(self) -> list[str]:
        """What is wrong or risky about the database, one sentence each."""
        with self.reading() as executor:
            return advice(executor, self.safe_url, self.prefix)

    def close(self) -> None:
        """Drop this process's connections."""
        self._pool.close()

    @contextmanager
    def _lent(self) -> Generator[Link]:
        try:
            with self._pool.lend() as link:
                yield link
        except UnicodeEncodeError as error:
            raise ConfigurationError(
                f"{error.object!r} is no text that UTF-8 can carry: it holds a lone surrogate"
            ) from error
        except pymysql.MySQLError as error:
            if self.is_absent(error) or self.is_conflict(error):
                raise
            raise errors.translated(error, self.safe_url) from error

    @contextmanager
    def _transaction(self, *begin: str) -> Generator[Executor]:
        with self._lent() as link:
            session = Session(link, *begin)
            try:
                yield session
                session.end("COMMIT")
            except BaseException:
                # What cannot be rolled back any more is not lent again, and the server forgets it with the connection.
                with suppress(pymysql.MySQLError):
                    session.end("ROLLBACK")
                raise

"""A database with Treadle's tables in it: runs steps as transactions, and rings afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, Final, TypeVar

from treadle.brokers.sql import schema, telling
from treadle.brokers.sql.dialect import Dialect
from treadle.brokers.sql.executor import Executor, Row
from treadle.brokers.sql.rows import Live, Outcome
from treadle.brokers.sql.statements import Statements
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.settlement import Complete

_T = TypeVar("_T")

#: After so many conflicts with others a step is given up: it does not get through.
MAX_ATTEMPTS: Final = 20


class Transaction:
    """What the parts of a step share: the connection, the time of the step, and whom to wake after it."""

    def __init__(self, dialect: Dialect, sql: Statements, executor: Executor) -> None:
        self.sql = sql
        self.rows = executor.rows
        self.run = executor.run
        self.many = executor.many
        self.pack = dialect.pack
        self.rings_consumers = False
        self.rings_watches = False
        self._dialect = dialect
        self._executor = executor

    @cached_property
    def now_ms(self) -> int:
        """The time of the step, by the store's clock."""
        return int(self.rows(self.sql.now)[0][0])

    def complete(self, completes: Sequence[Complete]) -> set[tuple[Any, int]]:
        """End running jobs the short way; key and receipt of those that were ended. None if there is no such way."""
        done = self._dialect.complete(self._executor, self.sql, completes, self.now_ms)
        self.rings_watches |= bool(done)
        return done

    def end(self, outcomes: Sequence[Outcome], leading: Collection[int] = ()) -> None:
        """Make live jobs final, and tell those that wait for the `leading` ones of them."""
        self.write_ends(outcomes)
        if leading:
            telling.tell(self, [outcome for outcome in outcomes if outcome.seq in leading])

    def write_ends(self, outcomes: Sequence[Outcome]) -> None:
        """Make live jobs final, and tell nobody yet."""
        if outcomes:
            self.many(self.sql.end, outcomes)
            self.run(self.sql.leave_live, (self.pack([outcome.seq for outcome in outcomes]),))
            self.rings_watches = True

    def put_back(self, rows: Sequence[tuple[Live, int, int]]) -> None:
        """Make live jobs wait: each row as it is to be, the state it waits in, and since or until when."""
        if rows:
            self.many(self.sql.put_back, [_waiting(*row) for row in rows])
            self.rings_consumers = True

    def forget(self, seqs: Sequence[int]) -> None:
        """Remove jobs from every table."""
        packed = (self.pack(seqs),)
        sql = self.sql
        edges = sql.forget_out_edges, sql.forget_in_edges, sql.pay
        for statement in (*edges, sql.leave_live, sql.forget_outcomes, sql.forget_jobs):
            self.run(statement, packed)
        self.rings_watches = True

    def fact(self, name: str) -> int:
        """A number that the store keeps about itself."""
        return int(self.rows(self.sql.fact, (name,))[0][0])

    def set_fact(self, name: str, value: int) -> None:
        """Change such a number."""
        self.run(self.sql.set_fact, (value, name))

    def count_stale(self, refused: int) -> None:
        """Count settlements, renewals and notes that were refused."""
        if refused:
            self.run(self.sql.raise_fact, (refused, "stale_acks"))


def _waiting(row: Live, state: int, due_ms: int) -> tuple[Any, ...]:
    return (
        state, due_ms, row.receipt, row.settled, row.attempt, row.crashes, row.suspect,
        row.verdict, row.verdict_reason, row.error, row.seq,
    )  # fmt: skip


class Store:
    """Runs steps on one database."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.sql = Statements(dialect)
        self._is_ready = False

    def step(self, work: Callable[[Transaction], _T], *, at_once: bool = False) -> _T:
        """Do `work` in one transaction of our own, then wake whom it concerns.

        It is done anew, from its start, if the database broke it off in favour of somebody else's. `at_once`:
        it is one statement.
        """
        self.make_ready()
        open_ = self.dialect.writing_once if at_once else self.dialect.writing
        conflict: Exception | None = None
        for _ in range(MAX_ATTEMPTS):
            try:
                transaction, answer = self._attempt(work, open_)
            except Exception as error:
                if self.dialect.is_absent(error):
                    raise self._without_tables() from error
                if not self.dialect.is_conflict(error):
                    raise
                conflict = error
            else:
                self._ring(transaction)
                return answer
        message = f"{self.dialect.safe_url} broke off a step {MAX_ATTEMPTS} times for the sake of others: try again"
        raise BrokerUnavailable(message) from conflict

    def joined_step(self, connection: Any, work: Callable[[Transaction], _T]) -> _T:
        """Do `work` inside the caller's open transaction; wakes nobody before the caller commits."""
        joined = self.dialect.join(connection)
        if not self._is_ready:
            # Tables made here vanish with the caller's rollback, so this process looks again next time.
            self._prepare(joined.executor)
        transaction = Transaction(self.dialect, self.sql, joined.executor)
        answer = work(transaction)
        if transaction.rings_consumers or transaction.rings_watches:
            joined.after_commit(lambda: self._ring(transaction))
        return answer

    def reading(self) -> AbstractContextManager[Executor]:
        """A connection of our own for queries."""
        return self._looking(self.dialect.reading)

    def snapshot(self) -> AbstractContextManager[Executor]:
        """The same, but all queries see one state of the database."""
        return self._looking(self.dialect.snapshot)

    @contextmanager
    def _looking(self, open_: Callable[[], AbstractContextManager[Executor]]) -> Generator[Executor]:
        self.make_ready()
        try:
            with open_() as executor:
                yield executor
        except Exception as error:
            if self.dialect.is_absent(error):
                raise self._without_tables() from error
            raise

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of one query."""
        with self.reading() as executor:
            return executor.rows(sql, parameters)

    def migrate(self) -> list[str]:
        """Bring the schema to this version; answers what was done."""
        done = schema.migrate(self.dialect)
        self._is_ready = True
        return done

    def make_ready(self) -> list[str]:
        """Make the tables, or require them; answers what was done. Raises ConfigurationError."""
        if self._is_ready:
            return []
        if self.dialect.migrates_itself:
            return self.migrate()
        with self.dialect.reading() as executor:
            schema.require(self.dialect, executor)
        self._is_ready = True
        return []

    def complaints(self) -> list[str]:
        """Why this code cannot work on the schema that is there, or should not for long."""
        with self.dialect.reading() as executor:
            try:
                version = schema.installed_version(self.dialect, executor)
                if not self.dialect.migrates_itself:
                    schema.require(self.dialect, executor)
            except ConfigurationError as error:
                return [f"{error}."]
        if version < schema.LATEST and not self.dialect.migrates_itself:
            lag = f"has Treadle's schema {version}, and this version works best with {schema.LATEST}"
            return [f"{self.dialect.safe_url} {lag}: run `treadle migrate`."]
        return []

    def _attempt(
        self, work: Callable[[Transaction], _T], open_: Callable[[], AbstractContextManager[Executor]]
    ) -> tuple[Transaction, _T]:
        with open_() as executor:
            transaction = Transaction(self.dialect, self.sql, executor)
            return transaction, work(transaction)

    def _prepare(self, executor: Executor) -> None:
        """Make the tables in the caller's transaction, or refuse it."""
        if self.dialect.migrates_itself:
            for migration in schema.MIGRATIONS[schema.installed_version(self.dialect, executor) :]:
                schema.upgrade(self.dialect, executor, migration)
        else:
            schema.require(self.dialect, executor)

    def _without_tables(self) -> ConfigurationError:
        # Whoever removed them may have done so on purpose: the next call looks anew.
        self._is_ready = False
        return schema.missing(self.dialect)

    def _ring(self, transaction: Transaction) -> None:
        if transaction.rings_consumers:
            self.dialect.bell.ring_consumers()
        if transaction.rings_watches:
            self.dialect.bell.ring_watches()

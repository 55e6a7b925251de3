"""What differs between databases. Everything else in this folder is common to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from treadle.brokers.sql.executor import Executor
from treadle.job import Job
from treadle.settlement import Complete

if TYPE_CHECKING:
    from treadle.brokers.sql.statements import Statements

#: The bell, a call of `wake`, or nothing.
Heard = Literal["bell", "wake", ""]


class Ear(Protocol):
    """Hears the bell of one audience. Used by one thread, but for `wake`."""

    @property
    def hears(self) -> bool:
        """Whether anybody can ring; if not, its owner must poll often."""
        ...

    def wait(self, timeout_s: float) -> Heard:
        """What was heard within `timeout_s` seconds, or since the last call."""
        ...

    def wake(self) -> None:
        """End a running `wait`, or the next one. From any thread or signal handler."""
        ...

    def rest(self) -> None:
        """Its owner is busy, or gone for a while. Cheap: called often."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Bell(Protocol):
    """Tells waiting processes that the store has changed. Best effort: who waits also polls, seldom."""

    def ring_consumers(self) -> None:
        """Something can be claimed, or will be due."""
        ...

    def ring_watches(self) -> None:
        """Some job became final."""
        ...

    def listen_as_consumer(self) -> Ear:
        """An ear for `ring_consumers`."""
        ...

    def listen_as_watch(self) -> Ear:
        """An ear for `ring_watches`."""
        ...


class Joined(Protocol):
    """The caller's open transaction."""

    executor: Executor

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call it once the caller has committed, if their library tells us; else never."""
        ...


class Dialect(Protocol):
    """One database: how to reach it, and how it spells what the others spell differently."""

    #: As migrations and messages call it: `sqlite`, `postgres` ...
    name: str
    safe_url: str
    #: In front of every table's name, and of every index's.
    prefix: str
    index_prefix: str
    bell: Bell
    #: First and longest seconds between two looks of whoever waits, where a bell can be heard, and where none can.
    net_s: tuple[float, float]
    deaf_net_s: tuple[float, float]
    #: The store's clock as an SQL expression: integer milliseconds of the Unix epoch.
    now_ms: str
    #: `column {members}` is true for the values in one parameter, which `pack` makes.
    members: str
    #: How rows are locked, at the end of a query, by the words that `statements` puts there.
    locks: Mapping[str, str]
    #: Statements that this database spells in its own way, by name.
    texts: Mapping[str, str]
    #: How columns are declared: `sequence`, `integer_key`, `key` (short text, compared by bytes), `blob`.
    types: ClassVar[Mapping[str, str]]
    has_partial_indexes: bool
    #: The schema is made on first use; else only by `treadle migrate`.
    migrates_itself: bool

    @property
    def courtesy_s(self) -> float:
        """Seconds a consumer leaves between two transactions, so that others get their turn."""
        ...

    def pack(self, values: Sequence[Any]) -> Any:
        """Many integers or texts as one parameter, for `members`."""
        ...

    def reading(self) -> AbstractContextManager[Executor]:
        """Our own connection for queries.

        Raises BrokerUnavailable within the deadline, ConfigurationError if the database cannot be used.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Executor]:
        """Our own connection, on which all queries see one state of the database. Raises as `reading` does."""
        ...

    def writing_once(self) -> AbstractContextManager[Executor]:
        """Our own connection for one statement, which is a transaction by itself. Raises as `reading` does."""
        ...

    def writing(self) -> AbstractContextManager[Executor]:
        """Our own connection inside a transaction, committed at the end, rolled back if anything is raised.

        Raises BrokerUnavailable within the deadline, ConfigurationError if the database cannot be used.
        """
        ...

    def is_one_statement(self, jobs: Sequence[Job]) -> bool:
        """Whether `insert_jobs` needs no transaction around it, since it is a single statement."""
        ...

    def insert_jobs(self, executor: Executor, sql: Statements, jobs: Sequence[Job]) -> bool:
        """Insert the jobs whose id is unknown, and make them live; answers whether consumers must be told."""
        ...

    def complete(
        self, executor: Executor, sql: Statements, completes: Sequence[Complete], now_ms: int
    ) -> set[tuple[Any, int]]:
        """End running jobs in one statement, if this database can: key and receipt of those that were ended."""
        ...

    def join(self, connection: Any) -> Joined:
        """The transaction that is open on the caller's connection. Raises ConfigurationError if none is."""
        ...

    def changes(self) -> int | None:
        """A number that differs once somebody else has written to the database; None if it has no such number."""
        ...

    def is_conflict(self, error: Exception) -> bool:
        """Whether the database broke off our transaction for another's sake, so that it is to be done anew."""
        ...

    def has_table(self, executor: Executor, table: str) -> bool:
        """Whether there is a table of that name, which begins with `prefix`."""
        ...

    def lock_schema(self, executor: Executor) -> None:
        """Keep others from migrating until the transaction ends."""
        ...

    def is_absent(self, error: Exception) -> bool:
        """Whether the error says that a table does not exist."""
        ...

    def refuse_consumers(self) -> None:
        """Raises NotSupported if several processes cannot share this database."""
        ...

    def advice(self) -> list[str]:
        """What is wrong or risky about the database, one sentence each."""
        ...

    def close(self) -> None:
        """Drop this process's connections."""
        ...

"""The SQL broker: the waist's `Broker`, on one database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from treadle.brokers.sql import changing, gates, graph, leases, restarting, retention
from treadle.brokers.sql.consumer import SqlConsumer
from treadle.brokers.sql.dialect import Dialect
from treadle.brokers.sql.looking import Lookout
from treadle.brokers.sql.store import Store, Transaction
from treadle.brokers.sql.watch import SqlWatch
from treadle.edges import Input
from treadle.exceptions import ConfigurationError
from treadle.interfaces import Counts, Features, Filter, NodePage, Page
from treadle.job import Job, Record, State


class SqlBroker:
    """Keeps jobs in tables of SQLite, PostgreSQL, MySQL or MariaDB.

    Options: `namespace` (in front of the tables' names, `treadle` if absent), and the dialect's own.
    """

    features = Features(transactions=True)

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._dialect = dialect_for(url, options)
        self._store = Store(self._dialect)
        self._lookout = Lookout(self._dialect, self._store.sql)
        self.safe_url = self._dialect.safe_url

    # Clients

    def publish(self, jobs: Sequence[Job], *, connection: Any = None) -> None:
        """Store the jobs, all or none; those whose id is known are left as they are."""

        def work(transaction: Transaction) -> None:
            if is_workflow:
                graph.publish(transaction, jobs)
            else:
                transaction.rings_consumers = self._dialect.insert_jobs(transaction, transaction.sql, jobs)

        if not jobs:
            return
        is_workflow = any(job.waits_or_leads for job in jobs)
        if connection is not None:
            self._store.joined_step(connection, work)
        else:
            self._store.step(work, at_once=not is_workflow and self._dialect.is_one_statement(jobs))

    def ring(self) -> None:
        """Wake consumers: for adapters, after a transaction that `publish(connection=...)` joined has committed."""
        self._dialect.bell.ring_consumers()

    def get(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of those of `ids` that are known."""
        with self._store.reading() as executor:
            return self._lookout.get(executor, ids)

    def watch(self) -> SqlWatch:
        """A new watch. Close it when done."""
        return SqlWatch(self._store, self._lookout)

    def cancel(self, ids: Sequence[str], *, terminate: bool = False) -> dict[str, State]:
        """End waiting jobs, mark running ones; answers each known job's state afterwards."""
        return self._store.step(lambda transaction: changing.cancel(transaction, ids, terminate=terminate))

    def requeue(self, ids: Sequence[str]) -> list[str]:
        """Queue final and scheduled jobs now; answers their ids."""
        return self._store.step(lambda transaction: changing.requeue(transaction, ids))

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Remove jobs that are not running; answers their ids."""
        return self._store.step(lambda transaction: changing.delete(transaction, ids))

    def query(self, criteria: Filter, *, limit: int = 100, cursor: str = "") -> Page:
        """Records that match, newest first. Raises ConfigurationError for a cursor that is none."""
        with self._store.snapshot() as executor:
            return self._lookout.query(executor, criteria, limit, cursor)

    def counts(self) -> Counts:
        """Numbers by queue and state, all of one instant."""
        with self._store.snapshot() as executor:
            return self._lookout.counts(executor)

    def close(self) -> None:
        """Drop this process's connections. The broker may be used again."""
        self._dialect.close()

    # Queues

    def pause(self, queue: str) -> None:
        """No job of the queue is claimed until `resume`."""
        self._store.step(lambda transaction: changing.set_paused(transaction, queue, paused=True))

    def resume(self, queue: str) -> None:
        """Undo `pause`, and wake consumers."""
        self._store.step(lambda transaction: changing.set_paused(transaction, queue, paused=False))

    def purge(self, queue: str) -> int:
        """Remove the waiting jobs of a queue; answers how many."""
        return self._until_done(lambda transaction: changing.purge_some(transaction, queue))

    def move(self, source: str, target: str) -> int:
        """Move the waiting jobs of one queue to another; answers how many."""
        if source == target:
            return 0
        return self._until_done(lambda transaction: changing.move_some(transaction, source, target))

    # Workflows

    def inputs(self, id: str, *, after: int = -1, limit: int = 500) -> list[Input]:
        """What became of the jobs that lead to this one, by their place."""
        with self._store.reading() as executor:
            return self._lookout.inputs(executor, id, after, limit)

    def hold(self, gates_: Sequence[str], ttl_s: float) -> set[str]:
        """Keep gates shut for so long; answers those that are not blocked."""
        return self._store.step(lambda transaction: gates.hold(transaction, gates_, round(ttl_s * 1000)))

    def open(self, gates_: Sequence[str]) -> set[str]:
        """Let gates need one less; answers those that were not blocked."""
        return self._store.step(lambda transaction: gates.open_(transaction, gates_))

    def nodes(self, workflow: str, *, limit: int = 500, cursor: str = "") -> NodePage:
        """The jobs of a workflow and their edges, in the order of storing."""
        with self._store.snapshot() as executor:
            return self._lookout.nodes(executor, workflow, limit, cursor)

    def progress(self, workflow: str) -> dict[State, int]:
        """How many jobs of a workflow are in each state."""
        with self._store.reading() as executor:
            return self._lookout.progress(executor, workflow)

    def restart(self, workflow: str) -> list[str]:
        """Run a workflow again from where it did not succeed; answers what was queued."""
        return self._store.step(lambda transaction: restarting.restart(transaction, workflow))

    # Workers

    def consumer(self, lease: str, queues: Sequence[str]) -> SqlConsumer:
        """The claiming side for the child that holds `lease`. Raises NotSupported if no other process can join."""
        self._dialect.refuse_consumers()
        return SqlConsumer(self._store, lease, queues)

    def open_lease(self, lease: str, ttl_s: float) -> None:
        """Open a lease, good for `ttl_s` seconds."""
        self._store.step(lambda transaction: leases.open_lease(transaction, lease, round(ttl_s * 1000)))

    def renew(self, leases_: Sequence[str], ttl_s: float) -> set[str]:
        """Extend leases to `ttl_s` from now; answers those that are gone."""
        return self._store.step(lambda transaction: leases.renew(transaction, leases_, round(ttl_s * 1000)))

    def abandon(
        self,
        lease: str,
        *,
        reason: str,
        error: bytes,
        guilty: str | None = None,
        suspects: Collection[str] = (),
        max_crashes: int = 3,
    ) -> list[str]:
        """Close a lease whose child is gone, and give back what it held; answers the ids."""
        death = leases.Death(reason, error, max_crashes, guilty=guilty, suspects=suspects)
        return self._store.step(lambda transaction: leases.abandon(transaction, lease, death))

    def recover(self, limit: int = 100, *, error: bytes, max_crashes: int = 3) -> list[str]:
        """Reap leases that ran out, and give back up to `limit` jobs held under them; answers their ids."""
        return self._store.step(lambda transaction: leases.recover(transaction, limit, max_crashes, error))

    def prune(
        self,
        *,
        max_age_s: float | None,
        max_count: int | None,
        failed_max_age_s: float | None = None,
        limit: int = 500,
    ) -> int:
        """Remove up to `limit` final records that are too old or too many; answers how many."""
        kept = retention.Retention(max_age_s, failed_max_age_s, max_count)
        return self._store.step(lambda transaction: retention.prune(transaction, kept, limit))

    # Set-up

    def migrate(self) -> list[str]:
        """Bring the schema to this version; answers what was done."""
        return self._store.migrate()

    def make_ready(self) -> list[str]:
        """`migrate` a file of our own; refuse a server's database whose schema is missing or too old."""
        return self._store.make_ready()

    def check(self) -> list[str]:
        """What is wrong or risky with this database, one sentence each."""
        return [*self._store.complaints(), *self._dialect.advice()]

    def _until_done(self, some: Callable[[Transaction], int]) -> int:
        total = 0
        while changed := self._store.step(some):
            total += changed
        return total


def dialect_for(url: str, options: Mapping[str, Any]) -> Dialect:
    """The dialect that speaks to the database at `url`. Raises ConfigurationError for another scheme."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        # Loaded only for who uses it: other databases need neither sqlite3 nor its sockets.
        from treadle.brokers.sql.sqlite.dialect import SqliteDialect

        return SqliteDialect(url, options)
    if scheme.partition("+")[0] in {"postgresql", "postgres"}:
        try:
            from treadle.brokers.sql.postgres.dialect import PostgresDialect
        except ModuleNotFoundError as error:
            raise _without_driver(error, "postgres") from error
        return PostgresDialect(url, options)
    if scheme.partition("+")[0] in {"mysql", "mariadb"}:
        try:
            from treadle.brokers.sql.mysql.dialect import MySqlDialect
        except ModuleNotFoundError as error:
            raise _without_driver(error, "mysql") from error
        return MySqlDialect(url, options)
    message = "use sqlite:///file.db, postgresql://host/database or mysql://host/database"
    raise ConfigurationError(f"no SQL dialect for {scheme!r}: {message}")


def _without_driver(error: ModuleNotFoundError, extra: str) -> Exception:
    """The error to raise instead, if it is the database's driver that is missing."""
    if (error.name or "").startswith("treadle"):
        return error
    return ConfigurationError(f"{error.name} is not installed: pip install 'treadle[{extra}]'")

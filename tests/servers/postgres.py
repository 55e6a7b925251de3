"""PostgreSQL, for the tests."""

from __future__ import annotations

import contextlib
import itertools
import signal
from typing import TYPE_CHECKING, Any, ClassVar

import psycopg

from tests.servers.account import Account
from tests.servers.ports import LOOPBACK
from tests.servers.program import Program
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

POSTGRES = Program(
    names=("postgres",),
    package="postgresql",
    suites="the contract, fault and integration tests that need PostgreSQL",
    versions="/usr/lib/postgresql/*/bin",
)

USER = "treadle"
#: No secret: only this machine can reach the server.
PASSWORD = "loopback"
_ANSWER_DEADLINE_S = 5


class PostgresServer(Server):
    """A PostgreSQL server. `options` are settings, `name=value`; without any it is as durable as in production.

    Tests that share it each take a database of their own from `database()`. Its user is a superuser.
    """

    # Fast shutdown: it does not wait for clients to leave, but nothing is lost.
    stop_signal = signal.SIGINT
    account: ClassVar[Account] = Account("postgres")

    def __init__(self, directory: Path, options: Sequence[str] = ()) -> None:
        super().__init__(directory)
        self.options = tuple(options)
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """The URL of the database `treadle`, which is always there."""
        return self.url_of(USER)

    def url_of(self, database: str) -> str:
        """The URL of a database by its name."""
        return f"postgresql://{USER}:{PASSWORD}@{LOOPBACK}:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Generator[str]:
        """The URL of an empty database that nobody else uses; dropped again if the server is up."""
        name = f"{USER}_{next(self._numbers)}"
        self.ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.ask(f"CREATE DATABASE {name} TEMPLATE template0")
        yield self.url_of(name)
        with contextlib.suppress(psycopg.OperationalError):
            self.ask(f"DROP DATABASE {name} WITH (FORCE)")

    def prepare(self) -> None:
        """Make the database cluster."""
        if (self._cluster / "PG_VERSION").exists():
            return
        secret = self.home / "password"
        secret.write_text(PASSWORD)
        self.account.give(secret)
        cluster = ["--pgdata", str(self._cluster), "--encoding=UTF8", "--locale=C", "--no-sync"]
        access = [f"--username={USER}", f"--pwfile={secret}", "--auth=scram-sha-256"]
        self.account.run([POSTGRES.path("initdb"), *cluster, *access], cwd=self.home)

    def command(self) -> list[str]:
        """Run in the foreground; only loopback, and a Unix socket among the cluster's files."""
        place = [f"listen_addresses={LOOPBACK}", f"port={self.port}", "unix_socket_directories=."]
        settings = [word for setting in (*place, *self.options) for word in ("-c", setting)]
        return [POSTGRES.path(), "-D", str(self._cluster), *settings]

    def answers(self) -> bool:
        """Whether it takes statements and has the database. Its files tell it from a stranger on the same port."""
        try:
            if self.ask("SHOW data_directory", database="postgres") != [(str(self._cluster),)]:
                return False
            if not self.ask("SELECT FROM pg_database WHERE datname = %s", USER, database="postgres"):
                self.ask(f"CREATE DATABASE {USER}", database="postgres")
        except psycopg.OperationalError:
            return False
        return True

    def ask(self, sql: str, *parameters: object, database: str = USER) -> list[tuple[Any, ...]]:
        """The rows of one statement, on a connection of its own, committed. Placeholders are `%s`.

        Raises psycopg.OperationalError while the server is away.
        """
        with psycopg.connect(self.url_of(database), autocommit=True, connect_timeout=_ANSWER_DEADLINE_S) as connection:
            # Bytes, because the type of text is reserved for literals.
            cursor = connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description is not None else []

    @property
    def _cluster(self) -> Path:
        return self.home.resolve() / "cluster"

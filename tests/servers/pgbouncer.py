"""PgBouncer, for the tests."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from typing import TYPE_CHECKING, ClassVar

import psycopg

from tests.servers.account import Account
from tests.servers.ports import LOOPBACK
from tests.servers.postgres import PASSWORD, USER, PostgresServer
from tests.servers.program import Program
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PGBOUNCER = Program(
    names=("pgbouncer",),
    package="pgbouncer",
    suites="the tests of PostgreSQL behind PgBouncer",
)

_ANSWER_DEADLINE_S = 5
# Before this version prepared statements are not followed at all, and the setting is unknown.
_FOLLOWS_PREPARED_STATEMENTS = (1, 21)

_SETTINGS = """\
[databases]
* = host={host} port={postgres_port}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = {user}
pool_mode = transaction
"""


class PgBouncerServer(Server):
    """A PgBouncer in front of `postgres`, in transaction mode: a session's state is gone after each transaction."""

    # Safe shutdown: transactions that run are let end.
    stop_signal = signal.SIGINT
    account: ClassVar[Account] = Account("postgres")

    def __init__(self, directory: Path, postgres: PostgresServer) -> None:
        super().__init__(directory)
        self.postgres = postgres

    @property
    def url(self) -> str:
        """The URL of the database `treadle`."""
        return self.url_of(USER)

    def url_of(self, database: str) -> str:
        """The URL of one of PostgreSQL's databases by its name."""
        return f"postgresql://{USER}:{PASSWORD}@{LOOPBACK}:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Generator[str]:
        """The URL of an empty database that nobody else uses; dropped again if PostgreSQL is up."""
        with self.postgres.database() as url:
            yield self.url_of(url.rpartition("/")[2])

    def command(self) -> list[str]:
        """Run in the foreground; only loopback."""
        users = self.home / "users.txt"
        users.write_text(f'"{USER}" "{PASSWORD}"\n')
        settings = _SETTINGS.format(
            host=LOOPBACK, postgres_port=self.postgres.port, port=self.port, users=users, user=USER
        )
        if _version() >= _FOLLOWS_PREPARED_STATEMENTS:
            settings += "max_prepared_statements = 0\n"
        self._settings.write_text(settings)
        for path in (users, self._settings):
            self.account.give(path)
        return [PGBOUNCER.path(), str(self._settings)]

    def answers(self) -> bool:
        """Whether it takes statements. Its configuration tells it from a stranger on the same port."""
        try:
            with psycopg.connect(
                self.url_of("pgbouncer"), autocommit=True, connect_timeout=_ANSWER_DEADLINE_S
            ) as console:
                facts = [(row[0], row[1]) for row in console.execute("SHOW CONFIG")]
        except psycopg.OperationalError:
            return False
        return ("conffile", str(self._settings)) in facts

    @property
    def _settings(self) -> Path:
        return self.home.resolve() / "pgbouncer.ini"


def _version() -> tuple[int, ...]:
    said = subprocess.run([PGBOUNCER.path(), "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said.splitlines()[0])[:2])

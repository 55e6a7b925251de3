"""MariaDB, for the tests."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, ClassVar

import pymysql

from tests.servers.account import Account
from tests.servers.ports import LOOPBACK
from tests.servers.program import Program
from tests.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

MARIADB = Program(
    names=("mariadbd",),
    package="mariadb-server",
    suites="the contract, fault and integration tests that need MariaDB",
)

USER = "treadle"
#: No secret: only this machine can reach the server.
PASSWORD = "loopback"
_ANSWER_DEADLINE_S = 5

#: As durable as in production; smaller, because many servers share a test machine.
DURABLE_AND_SMALL = (
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
)

# Run at every start, before anybody can connect.
_WELCOME = f"""\
CREATE DATABASE IF NOT EXISTS {USER};
CREATE USER IF NOT EXISTS {USER}@'{LOOPBACK}' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO {USER}@'{LOOPBACK}';
"""


class MariaDbServer(Server):
    """A MariaDB server. `options` are command-line options of mariadbd, e.g. its durability.

    Tests that share it each take a database of their own from `database()`. Its user may do everything.
    """

    account: ClassVar[Account] = Account("mysql")

    def __init__(self, directory: Path, options: Sequence[str] = DURABLE_AND_SMALL) -> None:
        super().__init__(directory)
        self.options = tuple(options)
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        """The URL of the database `treadle`, which is always there."""
        return self.url_of(USER)

    def url_of(self, database: str) -> str:
        """The URL of a database by its name."""
        return f"mariadb://{USER}:{PASSWORD}@{LOOPBACK}:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Generator[str]:
        """The URL of an empty database that nobody else uses; dropped again if the server is up."""
        name = f"{USER}_{next(self._numbers)}"
        self.ask(f"CREATE OR REPLACE DATABASE {name}")
        yield self.url_of(name)
        with contextlib.suppress(pymysql.OperationalError):
            self.ask(f"DROP DATABASE {name}")

    def prepare(self) -> None:
        """Make the system tables."""
        (self.home / "welcome.sql").write_text(_WELCOME)
        self.account.give(self.home / "welcome.sql")
        # The last thing that is written: without it an installation was interrupted.
        if (self._tables / "mysql_upgrade_info").exists():
            return
        access = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        install = [MARIADB.path("mariadb-install-db"), "--no-defaults", f"--datadir={self._tables}", *access]
        self.account.run([*install, *self.options], cwd=self.home)

    def command(self) -> list[str]:
        """Run in the foreground; only loopback, no configuration of the system's, a socket among its files."""
        network = ["--skip-networking=0", f"--bind-address={LOOPBACK}", f"--port={self.port}", "--skip-name-resolve"]
        files = [f"--datadir={self._tables}", "--socket=server.sock", "--pid-file=server.pid"]
        welcome = f"--init-file={self.home / 'welcome.sql'}"
        return [MARIADB.path(), "--no-defaults", *network, *files, welcome, *self.options]

    def answers(self) -> bool:
        """Whether it takes statements. Its files tell it from a stranger on the same port."""
        try:
            return self.ask("SELECT @@datadir") == [(f"{self._tables}/",)]
        except pymysql.OperationalError:
            return False

    def ask(self, sql: str, *parameters: object, database: str = USER) -> list[tuple[Any, ...]]:
        """The rows of one statement, on a connection of its own, committed. Placeholders are `%s`.

        Raises pymysql.OperationalError while the server is away.
        """
        connection = pymysql.connect(
            host=LOOPBACK,
            port=self.port,
            user=USER,
            password=PASSWORD,
            database=database,
            autocommit=True,
            connect_timeout=_ANSWER_DEADLINE_S,
            read_timeout=_ANSWER_DEADLINE_S,
            # Loading the certificates that it would not use takes longer than the rest.
            ssl_disabled=True,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    @property
    def _tables(self) -> Path:
        return self.home.resolve() / "tables"

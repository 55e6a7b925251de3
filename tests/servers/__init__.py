"""Real servers for the tests, each a private process on a free port with a directory of its own.

To add one: a module with a `Program` that says which binary and Debian package it is, and a subclass of
`Server` that says how to start it and when it answers; then list the program in `PROGRAMS`.
"""

from __future__ import annotations

from tests.servers.mariadb import MARIADB, MariaDbServer
from tests.servers.pgbouncer import PGBOUNCER, PgBouncerServer
from tests.servers.postgres import POSTGRES, PostgresServer
from tests.servers.program import Program
from tests.servers.proxy import CuttingProxy
from tests.servers.redis import REDIS, RedisServer
from tests.servers.server import Server

#: Every program that `python -m tests.servers ensure` sees to.
PROGRAMS: tuple[Program, ...] = (REDIS, POSTGRES, PGBOUNCER, MARIADB)

__all__ = [
    "MARIADB",
    "PGBOUNCER",
    "POSTGRES",
    "PROGRAMS",
    "REDIS",
    "CuttingProxy",
    "MariaDbServer",
    "PgBouncerServer",
    "PostgresServer",
    "Program",
    "RedisServer",
    "Server",
]

"""What all test suites share: real servers, and places to keep jobs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.servers import (
    MARIADB,
    PGBOUNCER,
    POSTGRES,
    REDIS,
    MariaDbServer,
    PgBouncerServer,
    PostgresServer,
    Program,
    RedisServer,
)
from tests.servers.program import must_be_complete

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_configure() -> None:
    """Hypothesis: no deadline per example, since a busy machine is not a bug; failures print how to repeat them."""
    hypothesis.settings.register_profile("treadle", deadline=None, print_blob=True)
    hypothesis.settings.load_profile("treadle")


# Servers for the whole run. Tests that stop or kill servers start one of their own instead.


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server that all tests share."""
    _need(REDIS)
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server that all tests share."""
    _need(POSTGRES)
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer_server(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PgBouncerServer]:
    """A PgBouncer in transaction mode, in front of the PostgreSQL server that all tests share."""
    _need(PGBOUNCER)
    with PgBouncerServer(tmp_path_factory.mktemp("pgbouncer"), postgres_server) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDbServer]:
    """A MariaDB server that all tests share."""
    _need(MARIADB)
    with MariaDbServer(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


# Places to keep jobs in, empty and for one test alone.


@pytest.fixture
def redis_url(redis_server: RedisServer) -> Iterator[str]:
    """The URL of an empty Redis database that no other test uses."""
    with redis_server.database() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database that no other test uses."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def mariadb_url(mariadb_server: MariaDbServer) -> Iterator[str]:
    """The URL of an empty MariaDB database that no other test uses."""
    with mariadb_server.database() as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'treadle.sqlite3'}"


def _need(program: Program) -> None:
    """Leave the test out if the program is missing, or fail it where nothing may be left out."""
    if program.find() is None:
        leave = pytest.fail if must_be_complete() else pytest.skip
        leave(program.missing)

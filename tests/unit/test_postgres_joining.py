"""Jobs that are published inside the caller's own transaction on the same PostgreSQL database."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

import psycopg
import psycopg2
import psycopg2.extras
from psycopg.rows import dict_row, scalar_row
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tests.servers import PostgresServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.executor import _spelled
from treadle.exceptions import ConfigurationError
from treadle.job import Job

JOB = Job("a", "t", b"json:[[],{}]", options=b"\x00'\\")

Opening = Callable[[str], AbstractContextManager[Any]]


@contextmanager
def by_psycopg(url: str) -> Generator[Any]:
    with closing(psycopg.connect(url)) as connection:
        yield connection


@contextmanager
def by_psycopg_with_dictionaries(url: str) -> Generator[Any]:
    with closing(psycopg.connect(url, row_factory=dict_row)) as connection:
        yield connection


@contextmanager
def by_psycopg_with_first_columns(url: str) -> Generator[Any]:
    with closing(psycopg.connect(url, row_factory=scalar_row)) as connection:
        yield connection


@contextmanager
def by_psycopg_begun_by_word(url: str) -> Generator[Any]:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("BEGIN")
        yield connection


@contextmanager
def by_psycopg2(url: str) -> Generator[Any]:
    with closing(psycopg2.connect(url)) as connection:
        yield connection


@contextmanager
def by_psycopg2_with_dictionaries(url: str) -> Generator[Any]:
    with closing(psycopg2.connect(url, cursor_factory=psycopg2.extras.RealDictCursor)) as connection:
        yield connection


@contextmanager
def by_sqlalchemy_connection(url: str, driver: str = "psycopg") -> Generator[Any]:
    engine = create_engine(url.replace("://", f"+{driver}://"))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@contextmanager
def by_sqlalchemy_connection_of_psycopg2(url: str) -> Generator[Any]:
    with by_sqlalchemy_connection(url, "psycopg2") as connection:
        yield connection


@contextmanager
def by_sqlalchemy_session(url: str) -> Generator[Any]:
    engine = create_engine(url.replace("://", "+psycopg://"))
    with Session(engine) as session:
        yield session
    engine.dispose()


@contextmanager
def by_scoped_session_of_psycopg2(url: str) -> Generator[Any]:
    engine = create_engine(url.replace("://", "+psycopg2://"))
    session = scoped_session(sessionmaker(engine))
    yield session
    session.remove()
    engine.dispose()


OPENINGS: list[Opening] = [
    by_psycopg,
    by_psycopg_with_dictionaries,
    by_psycopg_with_first_columns,
    by_psycopg_begun_by_word,
    by_psycopg2,
    by_psycopg2_with_dictionaries,
    by_sqlalchemy_connection,
    by_sqlalchemy_connection_of_psycopg2,
    by_sqlalchemy_session,
    by_scoped_session_of_psycopg2,
]
every_library = pytest.mark.parametrize("opening", OPENINGS, ids=lambda opening: opening.__name__)


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="module")
def store(database: str) -> Iterator[SqlBroker]:
    store = SqlBroker(database, {})
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def broker(store: SqlBroker) -> Iterator[SqlBroker]:
    """The store, without jobs: a database for each case would take most of the time."""
    yield store
    store.abandon("w/1", reason="crashed", error=b"")
    store.delete(["a", "b", "c"])


def run(connection: Any, sql: str) -> None:
    """One statement of the caller's own."""
    if hasattr(connection, "cursor"):
        with connection.cursor() as cursor:
            cursor.execute(sql)
    else:
        connection.execute(text(sql))


@every_library
def test_a_commit_brings_the_job_and_the_caller_s_rows_together(
    broker: SqlBroker, database: str, opening: Opening
) -> None:
    with opening(database) as connection:
        run(connection, "CREATE TABLE orders (number integer)")
        broker.publish([JOB], connection=connection)
        assert not broker.get(["a"])
        connection.commit()
        run(connection, "DROP TABLE orders")
        connection.commit()
    assert broker.get(["a"])["a"].options == JOB.options


@every_library
def test_a_batch_is_joined_as_well(broker: SqlBroker, database: str, opening: Opening) -> None:
    with opening(database) as connection:
        broker.publish([JOB, JOB._replace(id="b")], connection=connection)
        connection.commit()
    assert set(broker.get(["a", "b"])) == {"a", "b"}


@every_library
def test_a_rollback_leaves_nothing(broker: SqlBroker, database: str, opening: Opening) -> None:
    with opening(database) as connection:
        broker.publish([JOB], connection=connection)
        connection.rollback()
    assert not broker.get(["a"])


@every_library
def test_a_savepoint_takes_only_its_own_jobs_back(broker: SqlBroker, database: str, opening: Opening) -> None:
    with opening(database) as connection:
        broker.publish([JOB], connection=connection)
        run(connection, "SAVEPOINT mine")
        broker.publish([JOB._replace(id="b")], connection=connection)
        run(connection, "ROLLBACK TO SAVEPOINT mine")
        connection.commit()
    assert set(broker.get(["a", "b"])) == {"a"}


@every_library
def test_publishing_a_known_id_leaves_the_transaction_usable(
    broker: SqlBroker, database: str, opening: Opening
) -> None:
    broker.publish([JOB])
    with opening(database) as connection:
        broker.publish([JOB._replace(task="other")], connection=connection)
        broker.publish([JOB._replace(id="b")], connection=connection)
        connection.commit()
    assert {id_: record.task for id_, record in broker.get(["a", "b"]).items()} == {"a": "t", "b": "t"}


@every_library
def test_a_missing_schema_is_told_and_leaves_the_transaction_usable(
    broker: SqlBroker, database: str, opening: Opening
) -> None:
    elsewhere = SqlBroker(database, {"namespace": "absent"})
    with opening(database) as connection:
        with pytest.raises(ConfigurationError, match="run `treadle migrate`"):
            elsewhere.publish([JOB], connection=connection)
        broker.publish([JOB], connection=connection)
        connection.commit()
    assert broker.get(["a"])
    elsewhere.close()


@every_library
def test_a_connection_to_another_database_is_refused(
    broker: SqlBroker, postgres_server: PostgresServer, opening: Opening
) -> None:
    with opening(postgres_server.url) as connection:
        with pytest.raises(ConfigurationError, match="another database than this broker's, 'treadle'"):
            broker.publish([JOB], connection=connection)
        connection.rollback()


@every_library
def test_who_waits_is_told_at_the_commit_and_not_before(broker: SqlBroker, database: str, opening: Opening) -> None:
    ear = broker._dialect.bell.listen_as_consumer()
    assert ear.wait(5) == "bell", "it listens from now on"
    with opening(database) as connection:
        broker.publish([JOB], connection=connection)
        assert ear.wait(0.05) == ""
        connection.commit()
    assert ear.wait(5) == "bell"
    ear.close()


def test_a_two_phase_commit_works_without_notifications_and_only_then(tmp_path: Path) -> None:
    with PostgresServer(tmp_path, ["max_prepared_transactions=1"]) as server:
        silent, loud = SqlBroker(server.url, {"postgres_notify": False}), SqlBroker(server.url, {})
        silent.migrate()
        with closing(psycopg.connect(server.url)) as connection:
            connection.tpc_begin("one")
            silent.publish([JOB], connection=connection)
            connection.tpc_prepare()
            connection.tpc_commit()
            connection.tpc_begin("two")
            loud.publish([JOB._replace(id="b", queue="empty so far")], connection=connection)
            with pytest.raises(psycopg.errors.FeatureNotSupported, match="NOTIFY"):
                connection.tpc_prepare()
        assert set(silent.get(["a", "b"])) == {"a"}
        silent.close()
        loud.close()


@contextmanager
def autocommitting_sqlalchemy(url: str, driver: str) -> Generator[Connection]:
    engine = create_engine(url.replace("://", f"+{driver}://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_a_connection_that_commits_by_itself_is_refused(broker: SqlBroker, database: str, driver: str) -> None:
    """Its job would stay if what the caller does next failed."""
    raw: Any = psycopg.connect(database) if driver == "psycopg" else psycopg2.connect(database)
    raw.autocommit = True
    with autocommitting_sqlalchemy(database, driver) as connection:
        for caller in (raw, connection):
            with pytest.raises(ConfigurationError, match="no open transaction: begin one first"):
                broker.publish([JOB], connection=caller)
    raw.close()
    assert not broker.get(["a"])


def test_a_connection_to_another_kind_of_database_is_refused(broker: SqlBroker) -> None:
    raw = sqlite3.connect(":memory:")
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for caller in (raw, connection, object()):
            with pytest.raises(ConfigurationError, match=r"cannot join .* this broker is a PostgreSQL database"):
                broker.publish([JOB], connection=caller)
    raw.close()
    engine.dispose()


def test_a_url_that_names_no_database_is_told_from_the_server_s_answer(
    postgres_server: PostgresServer, database: str
) -> None:
    """libpq takes the user's name then; a pooler may call a database by another name altogether."""
    broker = SqlBroker(postgres_server.url.rpartition("/")[0], {"namespace": "nameless"})
    broker.migrate()
    with psycopg.connect(postgres_server.url) as connection:
        broker.publish([JOB], connection=connection)
    with psycopg.connect(database) as connection, pytest.raises(ConfigurationError, match="another database"):
        broker.publish([JOB._replace(id="b")], connection=connection)
    assert set(broker.get(["a", "b"])) == {"a"}
    broker.close()
    postgres_server.ask("DROP TABLE nameless_job, nameless_live, nameless_outcome, nameless_lease, nameless_meta")


@pytest.mark.parametrize(
    ("paramstyle", "spelling"),
    [
        ("qmark", "SELECT ?, ? + ?"),
        ("pyformat", "SELECT %s, %s + %s"),
        ("format", "SELECT %s, %s + %s"),
        ("numeric_dollar", "SELECT $1, $2 + $3"),
        ("numeric", "SELECT :1, :2 + :3"),
    ],
)
def test_parameters_are_spelt_as_the_driver_wants_them(paramstyle: str, spelling: str) -> None:
    assert _spelled("SELECT ?, ? + ?", paramstyle) == spelling


# Asynchronous libraries --------------------------------------------------------------------------------


def test_an_async_session_of_asyncpg_can_be_joined_within_run_sync(broker: SqlBroker, database: str) -> None:
    async def act() -> None:
        engine = create_async_engine(database.replace("://", "+asyncpg://"))
        async with AsyncSession(engine) as session:
            await session.run_sync(lambda inner: broker.publish([JOB], connection=inner))
            await session.run_sync(lambda inner: broker.publish([JOB._replace(id="c")] * 2, connection=inner))
            assert not broker.get(["a"])
            await session.commit()
            await session.run_sync(lambda inner: broker.publish([JOB._replace(id="b")], connection=inner))
            await session.rollback()
        await engine.dispose()

    asyncio.run(act())
    assert set(broker.get(["a", "b", "c"])) == {"a", "c"}


def test_an_async_connection_that_commits_by_itself_is_refused(broker: SqlBroker, database: str) -> None:
    async def act() -> None:
        engine = create_async_engine(database.replace("://", "+asyncpg://"), isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            with pytest.raises(ConfigurationError, match="no open transaction"):
                await connection.run_sync(lambda inner: broker.publish([JOB], connection=inner))
        await engine.dispose()

    asyncio.run(act())
    assert not broker.get(["a"])


def test_a_bare_asynchronous_connection_is_refused_with_the_way_that_works(broker: SqlBroker, database: str) -> None:
    async def act() -> None:
        engine = create_async_engine(database.replace("://", "+asyncpg://"))
        by_psycopg = await psycopg.AsyncConnection.connect(database)
        async with engine.connect() as by_sqlalchemy:
            by_asyncpg = (await by_sqlalchemy.get_raw_connection()).driver_connection
            for connection in (by_asyncpg, by_psycopg):
                with pytest.raises(ConfigurationError, match=r"of SQLAlchemy \(for asyncpg within its `run_sync`\)"):
                    broker.publish([JOB], connection=connection)
        await by_psycopg.close()
        await engine.dispose()

    asyncio.run(act())


def test_a_consumer_that_waits_gets_the_job_after_the_commit(broker: SqlBroker, database: str) -> None:
    broker.open_lease("w/1", 30)
    consumer = broker.consumer("w/1", ["default"])
    published = threading.Event()

    def claim() -> list[str]:
        claimed = consumer.claim(1, idle=True, wait_s=10)
        assert published.is_set()
        return [delivery.id for delivery in claimed.deliveries]

    with ThreadPoolExecutor(1) as threads, psycopg.connect(database) as connection:
        claim_ = threads.submit(claim)
        broker.publish([JOB], connection=connection)
        published.set()
        connection.commit()
        assert claim_.result(10) == ["a"]
    consumer.close()

"""Jobs that are published inside the caller's own transaction on the same MySQL or MariaDB database."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from tests.servers import MariaDbServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.mysql.address import parse_address
from treadle.exceptions import ConfigurationError
from treadle.job import Job

JOB = Job("a", "t", b"json:[[],{}]", options=b"\xff\x00'\\")
ISOLATIONS = ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


@pytest.fixture(scope="module")
def database(mariadb_server: MariaDbServer) -> Iterator[str]:
    with mariadb_server.database() as url:
        yield url


@pytest.fixture
def broker(database: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(database, {"namespace": f"n{uuid.uuid4().hex[:12]}"})
    broker.migrate()
    yield broker
    broker.close()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    engine = create_engine(database.replace("mariadb://", "mariadb+pymysql://") + "?ssl_disabled=true")
    with engine.begin() as connection:
        connection.execute(text("CREATE OR REPLACE TABLE orders (id INTEGER)"))
    yield engine
    engine.dispose()


def connect(url: str, **options: Any) -> Any:
    address = parse_address(url)
    return pymysql.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        database=address.database,
        ssl_disabled=True,
        **options,
    )


@pytest.fixture
def raw(database: str) -> Iterator[Any]:
    with closing(connect(database)) as connection:
        yield connection


def test_a_commit_brings_the_job_and_the_caller_s_rows_together(broker: SqlBroker, engine: Engine) -> None:
    with Session(engine) as session:
        session.execute(text("INSERT INTO orders VALUES (1)"))
        broker.publish([JOB], connection=session)
        assert not broker.get(["a"])
        session.commit()
        assert session.execute(text("SELECT count(*) FROM orders")).scalar() == 1
    assert broker.get(["a"])["a"].state == "queued"


def test_a_rollback_leaves_no_job(broker: SqlBroker, engine: Engine) -> None:
    with engine.connect() as connection:
        broker.publish([JOB], connection=connection)
        connection.rollback()
    assert not broker.get(["a"])
    assert broker.counts().queues == {}


def test_bytes_go_through_a_caller_s_connection_unchanged(broker: SqlBroker, raw: Any) -> None:
    job = JOB._replace(payload=bytes(range(256)))
    broker.publish([job], connection=raw)
    raw.commit()
    record = broker.get(["a"])["a"]
    assert (record.payload, record.options) == (job.payload, job.options)


def test_a_savepoint_of_the_caller_takes_only_its_own_jobs_back(broker: SqlBroker, engine: Engine) -> None:
    with Session(engine) as session:
        broker.publish([JOB], connection=session)
        inner = session.begin_nested()
        broker.publish([JOB._replace(id="b")], connection=session)
        inner.rollback()
        session.commit()
    assert set(broker.get(["a", "b"])) == {"a"}


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_known_id_is_left_alone_also_if_the_caller_s_snapshot_is_older(
    broker: SqlBroker, raw: Any, isolation: str
) -> None:
    with raw.cursor() as cursor:
        cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT 1 FROM information_schema.tables LIMIT 1")
    broker.publish([JOB])
    broker.publish([JOB._replace(id="b"), JOB._replace(task="other"), JOB._replace(id="c")], connection=raw)
    raw.commit()
    assert broker.get(["a"])["a"].task == "t"
    assert set(broker.get(["a", "b", "c"])) == {"a", "b", "c"}
    assert broker.counts().queues["default"].queued == 3


# Whoever asks for SERIALIZABLE asks for all that is read to be locked.
@pytest.mark.parametrize("isolation", ISOLATIONS[:-1])
def test_an_open_transaction_that_has_published_keeps_nobody_from_publishing_or_claiming(
    broker: SqlBroker, raw: Any, isolation: str
) -> None:
    with raw.cursor() as cursor:
        cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}")
    broker.publish([JOB._replace(id="0")])
    broker.publish([JOB._replace(id="m")], connection=raw)
    started = time.monotonic()
    broker.publish([JOB._replace(id=id_) for id_ in ("a", "l", "n", "z")])
    broker.open_lease("w/1", 30)
    with closing(broker.consumer("w/1", ["default"])) as consumer:
        assert [each.id for each in consumer.claim(9, idle=True).deliveries] == ["0", "a", "l", "n", "z"]
    assert time.monotonic() - started < 2
    raw.commit()
    assert broker.counts().queues["default"].queued == 1


def test_a_connection_without_a_transaction_is_refused_until_one_is_begun(broker: SqlBroker, database: str) -> None:
    with closing(connect(database, autocommit=True)) as connection:
        with pytest.raises(ConfigurationError, match="no open transaction"):
            broker.publish([JOB], connection=connection)
        connection.begin()
        broker.publish([JOB], connection=connection)
        connection.rollback()
    assert not broker.get(["a"])


def test_a_sqlalchemy_connection_that_commits_by_itself_is_refused(broker: SqlBroker, engine: Engine) -> None:
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        pytest.raises(ConfigurationError, match="no open transaction"),
    ):
        broker.publish([JOB], connection=connection)
    assert not broker.get(["a"])


def test_a_connection_to_another_database_is_refused(broker: SqlBroker, mariadb_server: MariaDbServer) -> None:
    with (
        mariadb_server.database() as other,
        closing(connect(other)) as connection,
        pytest.raises(ConfigurationError, match="the connection is to the database"),
    ):
        broker.publish([JOB], connection=connection)


def test_a_connection_to_another_kind_of_database_is_refused(broker: SqlBroker) -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="cannot join a transaction of sqlite"):
        broker.publish([JOB], connection=connection)
    engine.dispose()


def test_missing_tables_are_refused_and_the_caller_s_transaction_goes_on(database: str, engine: Engine) -> None:
    with closing(SqlBroker(database, {"namespace": "nowhere"})) as broker, engine.connect() as connection:
        connection.execute(text("INSERT INTO orders VALUES (1)"))
        with pytest.raises(ConfigurationError, match="treadle migrate"):
            broker.publish([JOB], connection=connection)
        connection.rollback()
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar() == 0


def test_a_waiting_consumer_gets_a_joined_job_soon_after_the_commit(broker: SqlBroker, raw: Any) -> None:
    broker.open_lease("w/1", 30)
    consumer = broker.consumer("w/1", ["default"])
    got: list[str] = []
    thread = threading.Thread(
        target=lambda: got.extend(delivery.id for delivery in consumer.claim(1, idle=True, wait_s=10).deliveries)
    )
    thread.start()
    broker.publish([JOB], connection=raw)
    assert not got
    started = time.monotonic()
    raw.commit()
    thread.join(10)
    consumer.close()
    assert got == ["a"]
    assert time.monotonic() - started < 1

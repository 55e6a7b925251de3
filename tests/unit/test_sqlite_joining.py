"""Jobs that are published inside the caller's own transaction on the same SQLite file."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from treadle.brokers.sql import SqlBroker
from treadle.exceptions import ConfigurationError
from treadle.job import Job

JOB = Job("a", "t", b"json:[[],{}]")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def broker(path: Path) -> Iterator[SqlBroker]:
    broker = SqlBroker(f"sqlite:///{path}", {})
    yield broker
    broker.close()


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


def test_a_commit_brings_the_job_and_the_caller_s_rows_together(broker: SqlBroker, engine: Engine) -> None:
    broker.migrate()
    with Session(engine) as session:
        session.execute(text("CREATE TABLE orders (id INTEGER)"))
        session.execute(text("INSERT INTO orders VALUES (1)"))
        broker.publish([JOB], connection=session)
        assert not broker.get(["a"])
        session.commit()
        assert session.execute(text("SELECT count(*) FROM orders")).scalar() == 1
    assert broker.get(["a"])["a"].state == "queued"


def test_a_rollback_leaves_no_job_and_no_row(broker: SqlBroker, engine: Engine) -> None:
    broker.migrate()
    with engine.connect() as connection:
        broker.publish([JOB], connection=connection)
        connection.rollback()
    assert not broker.get(["a"])
    assert broker.counts().queues == {}


def test_a_rollback_of_the_first_publish_ever_takes_the_tables_along(
    broker: SqlBroker, raw: sqlite3.Connection
) -> None:
    broker.publish([JOB], connection=raw)
    raw.rollback()
    assert raw.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    broker.publish([JOB], connection=raw)
    raw.commit()
    assert broker.get(["a"])


def test_a_savepoint_of_the_caller_takes_only_its_own_jobs_back(broker: SqlBroker, raw: sqlite3.Connection) -> None:
    broker.migrate()
    raw.execute("BEGIN")
    broker.publish([JOB], connection=raw)
    raw.execute("SAVEPOINT inner")
    broker.publish([JOB._replace(id="b")], connection=raw)
    raw.execute("ROLLBACK TO inner")
    raw.commit()
    assert set(broker.get(["a", "b"])) == {"a"}


def test_a_scoped_session_can_be_joined(broker: SqlBroker, engine: Engine) -> None:
    broker.migrate()
    session = scoped_session(sessionmaker(engine))
    broker.publish([JOB], connection=session)
    session.commit()
    session.remove()
    assert broker.get(["a"])


def test_publishing_a_known_id_in_a_transaction_changes_nothing(broker: SqlBroker, raw: sqlite3.Connection) -> None:
    broker.publish([JOB])
    broker.publish([JOB._replace(task="other")], connection=raw)
    raw.commit()
    assert broker.get(["a"])["a"].task == "t"
    assert broker.counts().queues["default"].queued == 1


def test_a_connection_without_a_transaction_is_refused(broker: SqlBroker, path: Path) -> None:
    broker.migrate()
    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(ConfigurationError, match="no open transaction"):
        broker.publish([JOB], connection=connection)
    connection.close()


def test_a_connection_to_another_file_is_refused(broker: SqlBroker, tmp_path: Path) -> None:
    broker.migrate()
    connection = sqlite3.connect(tmp_path / "other.db")
    with pytest.raises(ConfigurationError, match=r"other\.db"):
        broker.publish([JOB], connection=connection)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("kind", ["session", "connection", "raw"])
def test_a_waiting_consumer_gets_a_joined_job_soon_after_the_commit(
    broker: SqlBroker, engine: Engine, raw: sqlite3.Connection, kind: str
) -> None:
    broker.migrate()
    broker.open_lease("w/1", 30)
    consumer = broker.consumer("w/1", ["default"])
    got: list[str] = []
    thread = threading.Thread(
        target=lambda: got.extend(delivery.id for delivery in consumer.claim(1, idle=True, wait_s=10).deliveries)
    )
    thread.start()
    caller: Any = raw
    if kind != "raw":
        caller = Session(engine) if kind == "session" else engine.connect()
    broker.publish([JOB], connection=caller)
    assert not got
    started = time.monotonic()
    caller.commit()
    thread.join(10)
    caller.close()
    consumer.close()
    assert got == ["a"]
    assert time.monotonic() - started < 2

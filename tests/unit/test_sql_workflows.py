"""Workflows in the caller's own transaction, on every SQL database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.harness.workflows import InlineWorker
from treadle import Treadle, chord, group
from treadle.brokers.sql.mysql.address import parse_address

Connect = Callable[[], Any]


def connect_mysql(url: str) -> Any:
    """A connection of PyMySQL, as an application makes it."""
    address = parse_address(url)
    return pymysql.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        database=address.database,
        ssl_disabled=True,
    )


#: More than are stored in one step without a transaction.
MANY = 450


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Connect]:
    """The URL of a broker, and a way to connect to its database as an application does."""
    if request.param == "sqlite":
        path = tmp_path / "jobs.db"
        return f"sqlite:///{path}", lambda: sqlite3.connect(path)
    url: str = request.getfixturevalue(f"{request.param}_url")
    if request.param == "postgres":
        return url, lambda: psycopg.connect(url)
    return url, lambda: connect_mysql(url)


@pytest.fixture
def app(database: tuple[str, Connect]) -> Iterator[Treadle]:
    with Treadle("joined", broker=database[0], set_as_current=False) as app:
        app.broker.migrate()

        @app.task(name="one")
        def one() -> int:
            return 1

        @app.task(name="total")
        def total(values: list[int]) -> int:
            return sum(values)

        yield app


@pytest.fixture
def connection(database: tuple[str, Connect], app: Treadle) -> Iterator[Any]:
    connection = database[1]()
    yield connection
    connection.close()


def summed(app: Treadle, count: int) -> Any:
    """A chord of so many ones."""
    return chord([app.tasks["one"].s() for _ in range(count)], app.tasks["total"].s())


@pytest.mark.parametrize("count", [3, MANY])
def test_a_workflow_exists_once_the_transaction_has_committed(app: Treadle, connection: Any, count: int) -> None:
    result = summed(app, count).apply_async(connection=connection)
    assert app.broker.get([result.id]) == {}
    connection.commit()
    worker = InlineWorker(app)
    worker.run_out(result)
    assert result.get(timeout=5) == count
    worker.close()


def test_a_workflow_is_gone_with_the_transaction(app: Treadle, connection: Any) -> None:
    result = summed(app, MANY).apply_async(connection=connection)
    connection.rollback()
    assert app.broker.get([result.id, *(each.id for each in result.parent.results)]) == {}
    assert list(app.workflow(result.id).nodes()) == []


def test_a_generator_is_read_within_the_transaction(app: Treadle, connection: Any) -> None:
    result = group(app.tasks["one"].s() for _ in range(5)).apply_async(connection=connection)
    connection.commit()
    worker = InlineWorker(app)
    worker.run_out(result)
    assert result.get(timeout=5) == [1] * 5
    worker.close()


def test_a_job_may_wait_for_one_that_has_ended(app: Treadle, connection: Any) -> None:
    worker = InlineWorker(app)
    first, second = app.tasks["one"].delay(), app.tasks["one"].delay()
    worker.run_some()
    waiting = app.tasks["one"].apply_async(after=[first, second], connection=connection)
    connection.commit()
    assert waiting.job().state == "blocked"
    worker.run_out(second)
    worker.run_until(waiting.ready)
    assert waiting.get(timeout=5) == 1
    worker.close()

"""What is said when MySQL or MariaDB is away, says no, or is set up badly."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import MariaDbServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.mysql.advice import outdated_version
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.job import Job


@pytest.fixture(scope="module")
def database(mariadb_server: MariaDbServer) -> Iterator[str]:
    with mariadb_server.database() as url:
        yield url


@pytest.fixture
def namespace() -> str:
    return f"n{uuid.uuid4().hex[:12]}"


@pytest.fixture
def broker(database: str, namespace: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(database, {"namespace": namespace})
    broker.migrate()
    yield broker
    broker.close()


def test_a_durable_and_recent_server_is_all_right(broker: SqlBroker) -> None:
    assert broker.check() == []


def test_an_engine_without_transactions_is_told(broker: SqlBroker, namespace: str) -> None:
    with broker._store.dialect.reading() as executor:
        executor.run(f"ALTER TABLE {namespace}_outcome ENGINE = MyISAM")
    assert [f"{namespace}_outcome" in sentence and "MyISAM" in sentence for sentence in broker.check()] == [True]


def test_a_server_that_may_lose_the_last_second_is_told(database: str, broker: SqlBroker) -> None:
    with broker._store.dialect.reading() as executor:
        executor.run("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        try:
            assert ["innodb_flush_log_at_trx_commit is 2" in sentence for sentence in broker.check()] == [True]
        finally:
            executor.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")


@pytest.mark.parametrize(
    ("version", "is_outdated"),
    [
        ("10.11.6-MariaDB-0+deb12u1", False),
        ("5.5.5-10.6.1-MariaDB-log", False),
        ("10.5.29-MariaDB", True),
        ("8.0.16", True),
        ("8.0.17-log", False),
        ("9.1.0", False),
        ("5.7.44-log", True),
    ],
)
def test_servers_that_are_too_old_are_told(version: str, is_outdated: bool) -> None:
    assert bool(outdated_version(version, "mysql://db/shop")) is is_outdated


def test_a_wrong_password_and_an_unknown_database_are_mistakes_in_the_settings(mariadb_server: MariaDbServer) -> None:
    right = mariadb_server.url
    for wrong in (right.replace(":loopback@", ":wrong@"), right.replace("/treadle", "/nowhere")):
        with pytest.raises(ConfigurationError, match="does not let us in") as caught:
            SqlBroker(wrong, {}).get(["a"])
        assert "wrong@" not in str(caught.value)


def test_an_id_that_is_too_long_is_refused(broker: SqlBroker) -> None:
    with pytest.raises(ConfigurationError, match="too long"):
        broker.publish([Job("a", "t", b""), Job("x" * 256, "t", b"")])
    assert broker.get(["a"]) == {}


def test_a_job_that_is_larger_than_the_server_takes_is_refused_and_the_connection_goes_on(broker: SqlBroker) -> None:
    broker.publish([Job("large", "t", b"x" * 7_000_000)])
    with pytest.raises(ConfigurationError, match="max_allowed_packet"):
        broker.publish([Job("small", "t", b""), Job("too large", "t", b"x" * 9_000_000)])
    assert {id_: len(record.payload) for id_, record in broker.get(["large", "small", "too large"]).items()} == {
        "large": 7_000_000
    }


def test_nobody_listening_is_unavailable() -> None:
    with pytest.raises(BrokerUnavailable, match="did not answer"):
        SqlBroker("mysql://127.0.0.1:1/shop?ssl_disabled=true", {}).get(["a"])


def test_a_server_that_hangs_is_unavailable_within_the_deadline_and_back_afterwards(tmp_path: Path) -> None:
    with MariaDbServer(tmp_path) as server:
        broker = SqlBroker(server.url, {})
        broker.migrate()
        broker.publish([Job("a", "t", b"")])
        server.freeze()
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            broker.get(["a"])
        assert time.monotonic() - started < 5
        server.thaw()
        assert broker.get(["a"])
        server.restart()
        assert broker.get(["a"])
        broker.close()

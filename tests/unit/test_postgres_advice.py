"""What `treadle check` says of a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

import psycopg

from tests.harness.patience import eventually
from tests.servers import PostgresServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.postgres import advice as advices


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.database() as url:
        broker = SqlBroker(url, {})
        broker.migrate()
        broker.close()
        yield url


def advice_of(url: str) -> str:
    broker = SqlBroker(url, {})
    try:
        return "\n".join(broker.check())
    finally:
        broker.close()


def test_a_database_as_it_should_be_gives_no_reason_for_advice(url: str) -> None:
    assert advice_of(url) == ""


def test_commits_that_do_not_wait_for_the_disk_are_named(url: str) -> None:
    assert "synchronous_commit is off" in advice_of(f"{url}?options=-csynchronous_commit%3Doff")


def test_an_old_server_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advices, "_OLDEST", 990000)
    assert "not maintained any more: upgrade it" in advice_of(url)


def test_a_transaction_that_is_forgotten_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advices, "_LONG_S", 0)
    assert advice_of(url) == ""
    with psycopg.connect(url) as forgotten:
        forgotten.execute("SELECT 1")
        eventually(lambda: "has been open and idle for 1 s" in advice_of(url), what="advice")


def test_an_encoding_that_cannot_spell_everything_is_named(postgres_server: PostgresServer) -> None:
    postgres_server.ask("CREATE DATABASE western TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    url = postgres_server.url_of("western")
    broker = SqlBroker(url, {})
    broker.migrate()
    broker.close()
    assert "has the encoding LATIN1" in advice_of(url)
    postgres_server.ask("DROP DATABASE western")

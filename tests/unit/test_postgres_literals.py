"""Values travel to PostgreSQL as array literals, and come back as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

import psycopg

from tests.servers import PostgresServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.postgres import literals
from treadle.exceptions import ConfigurationError
from treadle.job import Job

integers = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ODD_TEXTS = [
    "",
    " ",
    "NULL",
    "null",
    '"',
    "\\",
    '\\"',
    "{}",
    "{",
    "a,b",
    "'",
    "%s",
    "?",
    "\n",
    "\\x00",
    "日本",
    "\U0001f9f5",
]


@pytest.fixture(scope="module")
def connection(postgres_server: PostgresServer) -> Iterator[psycopg.Connection[Any]]:
    with postgres_server.database() as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


def through_the_server(connection: psycopg.Connection[Any], kind: str, values: Sequence[Any]) -> list[Any]:
    query = f"SELECT value FROM unnest(%s::text::{kind}[]) WITH ORDINALITY AS given (value, place) ORDER BY place"
    return [value for (value,) in connection.execute(query.encode(), (literals.array(values),)).fetchall()]


@given(values=st.lists(st.none() | integers))
@example(values=[])
@example(values=[None])
def test_integers_survive_the_way(connection: psycopg.Connection[Any], values: list[int | None]) -> None:
    assert through_the_server(connection, "bigint", values) == values


@given(values=st.lists(st.none() | texts | st.sampled_from(ODD_TEXTS)))
@example(values=[*ODD_TEXTS])
def test_texts_survive_the_way(connection: psycopg.Connection[Any], values: list[str | None]) -> None:
    assert through_the_server(connection, "text", values) == values


@given(values=st.lists(st.none() | st.binary()))
@example(values=[b"", bytes(range(256)), b"\\x", b"NULL"])
def test_bytes_survive_the_way(connection: psycopg.Connection[Any], values: list[bytes | None]) -> None:
    assert through_the_server(connection, "bytea", values) == values


def test_booleans_travel_as_the_small_integers_that_columns_hold() -> None:
    assert literals.array([True, False]) == "{1,0}"


def test_rows_become_one_literal_per_column() -> None:
    assert literals.columns([(1, "a", b"\x01"), (2, None, b"")]) == ["{1,2}", '{"a",NULL}', r'{"\\x01","\\x"}']


@pytest.mark.parametrize("text", ["a\0b", "half \ud800"])
def test_what_is_no_text_is_refused_where_it_is_kept_and_left_out_where_it_is_sought(text: str) -> None:
    with pytest.raises(ConfigurationError, match="leave out NUL characters and surrogates"):
        literals.array([text])
    assert literals.members(["a", text, 3]) == '{"a",3}'


@pytest.fixture
def broker(postgres_url: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(postgres_url, {})
    broker.migrate()
    yield broker
    broker.close()


@pytest.mark.parametrize("count", [1, 2])
def test_an_id_with_a_nul_character_is_a_fault_of_the_caller_s_and_stores_nothing(
    broker: SqlBroker, count: int
) -> None:
    """Waiting for the server would not help, so it must not look as if it were away."""
    jobs = [Job("fine", "t", b"json:"), Job("a\0b", "t", b"json:")][-count:]
    with pytest.raises(ConfigurationError, match="NUL"):
        broker.publish(jobs)
    assert broker.counts().queues == {}


def test_an_id_that_cannot_be_kept_is_simply_not_known(broker: SqlBroker) -> None:
    """It may come out of an address that anybody typed into a browser."""
    broker.publish([Job("a", "t", b"json:")])
    odd = ["a", "\0", "\ud800"]
    assert set(broker.get(odd)) == {"a"}
    assert broker.cancel(odd) == {"a": "cancelled"}
    assert broker.delete(odd) == ["a"]


@pytest.mark.parametrize("name", ["a\0b"])
def test_a_lease_or_queue_with_a_nul_character_is_refused(broker: SqlBroker, name: str) -> None:
    with pytest.raises(ConfigurationError, match="NUL"):
        broker.open_lease(name, 5)
    with pytest.raises(ConfigurationError, match="NUL"):
        broker.pause(name)


def test_odd_names_travel_through_a_whole_life(broker: SqlBroker) -> None:
    broker.open_lease("w'\"{}/1", 60)
    for text in ODD_TEXTS[1:]:
        broker.publish([Job(text, text, text.encode(), queue=text, options=text.encode())])
        consumer = broker.consumer("w'\"{}/1", [text])
        (delivery,) = consumer.claim(1, idle=True).deliveries
        consumer.close()
        assert (delivery.id, delivery.task, delivery.queue, delivery.payload) == (text, text, text, text.encode())
        assert broker.get([text])[text].options == text.encode()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_in_another_encoding_gives_back_what_it_can_keep(
    postgres_server: PostgresServer, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    postgres_server.ask(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    broker = SqlBroker(postgres_server.url_of(name), {})
    broker.migrate()
    broker.publish([Job("é", "t", b"json:")])
    assert set(broker.get(["é"])) == {"é"}
    if encoding == "LATIN1":
        with pytest.raises(ConfigurationError, match="LATIN1"):
            broker.publish([Job("日", "t", b"json:")])
    broker.close()
    postgres_server.ask(f"DROP DATABASE {name}")


def test_a_payload_and_a_result_of_tens_of_megabytes_come_through(broker: SqlBroker) -> None:
    large = bytes(range(256)) * (20 << 12)
    broker.publish([Job("large", "t", large)])
    assert broker.get(["large"])["large"].payload == large

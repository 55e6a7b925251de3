"""What goes into MySQL and MariaDB comes out again, and the clock of the server can be relied on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers import MariaDbServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.rows import Live
from treadle.job import Job
from treadle.settlement import Complete, Retry


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


def ask(broker: SqlBroker, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with broker._store.dialect.reading() as executor:
        return executor.rows(sql, parameters)


def test_ids_differ_by_every_byte_also_by_spaces_at_the_end(broker: SqlBroker) -> None:
    ids = [
        "a",
        "a ",
        "a  ",
        "A",
        "á",
        "a\u0301",
        "\uff41",
        "",
        " ",
        "ß",
        "ss",
        "\U0001d4b6",
        "'",
        "\\",
        "%s",
        "?",
        "\0",
        "a\0",
    ]
    broker.publish([Job(id_, id_, b"", queue=id_) for id_ in ids])
    assert set(broker.get(ids)) == set(ids)
    assert set(broker.counts().queues) == set(ids)
    assert broker.get(["B", "a   ", "\ta"]) == {}


@pytest.fixture(scope="module")
def shared(database: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(database, {"namespace": "shared"})
    broker.migrate()
    yield broker
    broker.close()


@given(
    id_=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    task=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    payload=st.binary(max_size=300),
    options=st.binary(max_size=60),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_and_bytes_come_back_as_they_went_in(
    shared: SqlBroker, id_: str, task: str, payload: bytes, options: bytes
) -> None:
    job = Job(f"{uuid.uuid4()}{id_}", task, payload, options=options)
    shared.publish([job])
    record = shared.get([job.id])[job.id]
    assert (record.id, record.task, record.payload, record.options) == (job.id, task, payload, options)


@pytest.mark.parametrize("values", [(), (1,), (1, 2), ("a",), ("a'b", "\\", "", "?", "%s")])
def test_packed_values_are_the_members_and_no_others(broker: SqlBroker, values: tuple[Any, ...]) -> None:
    dialect = broker._store.dialect
    (found,) = ask(broker, f"SELECT ? {dialect.members}", "outside", dialect.pack([str(value) for value in values]))
    assert not found[0]
    for value in values:
        assert ask(broker, f"SELECT ? {dialect.members}", value, dialect.pack(values)) == [(1,)]


def test_looking_for_no_ids_finds_nothing(broker: SqlBroker) -> None:
    broker.publish([Job("a", "t", b"")])
    assert broker.get([]) == {}
    assert broker.cancel([]) == {}
    assert broker.requeue([]) == []
    assert broker.delete([]) == []


def test_more_jobs_than_a_statement_takes_keep_their_order(broker: SqlBroker) -> None:
    ids = [str(number) for number in range(2500)]
    broker.publish([Job(id_, "t", b"x" * 700) for id_ in ids])
    broker.open_lease("w/1", 30)
    with closing(broker.consumer("w/1", ["default"])) as consumer:
        taken = consumer.claim(2500, idle=True).deliveries
        assert [delivery.id for delivery in taken] == ids
        consumer.settle([Complete(delivery) for delivery in taken])
    assert broker.counts().final == {"succeeded": 2500}


def test_a_job_published_again_in_another_batch_stays_as_it_was(broker: SqlBroker) -> None:
    broker.publish([Job("a", "first", b""), Job("a", "second", b"")])
    broker.publish([Job("b", "t", b""), Job("a", "third", b""), Job("c", "t", b"")])
    assert broker.get(["a"])["a"].task == "first"
    assert broker.counts().queues["default"].queued == 3


def test_a_settlement_keeps_the_row_s_last_error_through_retries(broker: SqlBroker) -> None:
    broker.publish([Job(str(number), "t", b"") for number in range(3)])
    broker.open_lease("w/1", 30)
    with closing(broker.consumer("w/1", ["default"])) as consumer:
        taken = consumer.claim(3, idle=True).deliveries
        consumer.settle([Retry(each, 0, b"\xff" + each.id.encode(), priority=7) for each in taken])
    with broker._store.dialect.reading() as executor:
        packed = broker._store.dialect.pack(["0", "1", "2"])
        rows = [Live(*row) for row in executor.rows(broker._store.sql.live_by_id, (packed,))]
    assert {row.error for row in rows} == {b"\xff0", b"\xff1", b"\xff2"}
    assert {record.priority for record in broker.get(["0", "1", "2"]).values()} == {7}


def test_the_hour_that_is_there_twice_is_told_apart(broker: SqlBroker) -> None:
    now = broker._store.sql.now
    # In autumn local time cannot tell an hour from the one before it, wherever clocks are set back.
    for zone in ("+00:00", "+02:00", "-11:30"):
        with broker._store.dialect.reading() as executor:
            executor.run(f"SET SESSION time_zone = '{zone}', timestamp = 1761438600.25")
            assert executor.rows(now) == [(1761438600250,)]
            executor.run("SET SESSION time_zone = DEFAULT, timestamp = DEFAULT")


def test_the_clock_stands_still_within_a_statement(broker: SqlBroker) -> None:
    now_ms = broker._store.dialect.now_ms
    assert ask(broker, f"SELECT SLEEP(0.02), {now_ms} - {now_ms}") == [(0, 0)]
    (before, _, after) = ask(broker, f"SELECT {now_ms}, SLEEP(0.02), {now_ms}")[0]
    assert before == after

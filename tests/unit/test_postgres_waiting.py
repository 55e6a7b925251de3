"""Who waits is told by NOTIFY, and whoever does not wait does not listen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

from tests.harness.patience import eventually
from tests.servers import PgBouncerServer, PostgresServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.consumer import SqlConsumer
from treadle.brokers.sql.postgres import bell as bells
from treadle.brokers.sql.postgres.bell import NotifyBell, NotifyEar
from treadle.brokers.sql.postgres.dialect import PostgresDialect
from treadle.brokers.sql.postgres.link import Link
from treadle.brokers.sql.silence import Silence
from treadle.job import Job
from treadle.settlement import Complete

_PATIENCE_S = 10.0
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def broker(postgres_url: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(postgres_url, {})
    broker.migrate()
    broker.open_lease("w/1", 60)
    # Looks between two rings come so seldom that no test could be saved by one.
    broker._dialect.net_s = broker._dialect.deaf_net_s = (10 * _PATIENCE_S, 10 * _PATIENCE_S)
    yield broker
    broker.close()


@pytest.fixture
def ask(postgres_server: PostgresServer, postgres_url: str) -> Ask:
    """The rows of a statement in the test's database."""
    return lambda sql: postgres_server.ask(sql, database=postgres_url.rpartition("/")[2])


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def job(id_: str, **fields: Any) -> Job:
    return Job(id_, "t", b"json:[[],{}]", **fields)


def ear_of(waiter: Any) -> NotifyEar:
    ear = waiter._vigil._ear
    assert isinstance(ear, NotifyEar)
    return ear


def link_of(broker: SqlBroker) -> AbstractContextManager[Link]:
    """One of its connections."""
    assert isinstance(broker._dialect, PostgresDialect)
    return broker._dialect._lent()


def channels_of(waiter: Any) -> list[str]:
    """What the session that the waiter listens on listens to."""
    link = ear_of(waiter)._link
    return [name for (name,) in link.execute("SELECT pg_listening_channels()").fetchall()] if link else []


def claim_in(threads: ThreadPoolExecutor, consumer: SqlConsumer) -> Future[list[str]]:
    """Start a claim that waits, and return once it listens."""

    def claim() -> list[str]:
        return [delivery.id for delivery in consumer.claim(1, idle=True, wait_s=_PATIENCE_S).deliveries]

    claiming = threads.submit(claim)
    eventually(lambda: ear_of(consumer).hears, what="a consumer that listens")
    return claiming


def test_a_publish_wakes_a_waiting_consumer(broker: SqlBroker, threads: ThreadPoolExecutor) -> None:
    consumer = broker.consumer("w/1", ["default"])
    claiming = claim_in(threads, consumer)
    broker.publish([job("a")])
    assert claiming.result(_PATIENCE_S / 2) == ["a"]
    consumer.close()


def test_a_job_for_later_wakes_a_consumer_which_then_waits_for_its_time(
    broker: SqlBroker, threads: ThreadPoolExecutor
) -> None:
    consumer = broker.consumer("w/1", ["default"])
    claiming = claim_in(threads, consumer)
    broker.publish([job("a", delay_ms=200)])
    assert claiming.result(_PATIENCE_S / 2) == ["a"]
    consumer.close()


def test_a_watch_is_woken_by_whoever_ends_the_job(broker: SqlBroker, threads: ThreadPoolExecutor) -> None:
    broker.publish([job("a")])
    consumer, watch = broker.consumer("w/1", ["default"]), broker.watch()
    (delivery,) = consumer.claim(1, idle=True).deliveries
    waiting = threads.submit(watch.wait, ["a"], _PATIENCE_S)
    eventually(lambda: ear_of(watch).hears, what="a watch that listens")
    consumer.settle([Complete(delivery)])
    assert waiting.result(_PATIENCE_S / 2) == {"a"}
    assert channels_of(watch) == [], "what nobody reads would pile up in the server"
    for each in (consumer, watch):
        each.close()


def test_a_consumer_that_has_work_stops_listening_and_listens_again_when_it_waits(
    broker: SqlBroker, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "_CONSUMER_LINGERS_S", 0.0)
    consumer = broker.consumer("w/1", ["default"])
    for id_ in ("a", "b"):
        claiming = claim_in(threads, consumer)
        broker.publish([job(id_)])
        assert claiming.result(_PATIENCE_S / 2) == [id_]
        assert channels_of(consumer) == []
    consumer.close()


def test_what_came_while_nobody_listened_is_found(broker: SqlBroker) -> None:
    consumer = broker.consumer("w/1", ["default"])
    broker.publish([job("a")])
    started_s = time.monotonic()
    assert consumer.claim(1, idle=True, wait_s=_PATIENCE_S).deliveries
    assert time.monotonic() - started_s < _PATIENCE_S / 2
    consumer.close()


def test_a_listener_whose_connection_was_killed_listens_again(
    broker: SqlBroker, threads: ThreadPoolExecutor, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bells, "_DEAF_S", 0.0)
    consumer = broker.consumer("w/1", ["default"])
    claiming = claim_in(threads, consumer)
    link = ear_of(consumer)._link
    assert link is not None
    ask(f"SELECT pg_terminate_backend({link.info.backend_pid})")
    eventually(lambda: ear_of(consumer)._link not in (None, link) and ear_of(consumer).hears, what="a new connection")
    broker.publish([job("a")])
    assert claiming.result(_PATIENCE_S / 2) == ["a"]
    consumer.close()


def test_a_consumer_that_cannot_listen_looks_more_often(
    broker: SqlBroker, threads: ThreadPoolExecutor, ask: Ask
) -> None:
    """Directly after its connection broke it does not try again: where it was refused, it would be refused again."""
    broker._dialect.deaf_net_s = (0.005, 0.05)
    consumer = broker.consumer("w/1", ["default"])
    claiming = claim_in(threads, consumer)
    link = ear_of(consumer)._link
    assert link is not None
    ask(f"SELECT pg_terminate_backend({link.info.backend_pid})")
    eventually(lambda: not ear_of(consumer).hears, what="a deaf consumer")
    broker.publish([job("a")])
    assert claiming.result(_PATIENCE_S / 2) == ["a"]
    consumer.close()


def test_a_publisher_rings_for_an_empty_queue_only(broker: SqlBroker, postgres_url: str) -> None:
    """Each notification takes a lock of the whole database; whoever takes one job looks for more by itself."""
    ear = broker._dialect.bell.listen_as_consumer()
    assert ear.wait(_PATIENCE_S) == "bell", "it listens from now on"
    broker.publish([job("first")])
    assert ear.wait(_PATIENCE_S) == "bell"
    time.sleep(2 * bells.DEBOUNCE_S)  # else the bell would be silent for another reason
    broker.publish([job("second")])
    broker.publish([job("third"), job("fourth")])
    assert ear.wait(0.05) == ""
    broker.publish([job("other", queue="other")])
    assert ear.wait(_PATIENCE_S) == "bell"
    ear.close()


def test_waiting_costs_no_statements_but_those_of_the_net(
    broker: SqlBroker, threads: ThreadPoolExecutor, ask: Ask
) -> None:
    consumer = broker.consumer("w/1", ["default"])
    claiming = claim_in(threads, consumer)
    quiet = (
        "SELECT state, query FROM pg_stat_activity WHERE application_name = 'treadle' AND datname = current_database()"
    )
    eventually(lambda: {state for state, _ in ask(quiet)} == {"idle"}, what="idle sessions")
    last = "SELECT max(query_start) FROM pg_stat_activity WHERE application_name = 'treadle'"
    before = ask(last + " AND datname = current_database()")
    assert not threading.Event().wait(0.5)
    assert ask(last + " AND datname = current_database()") == before
    consumer.wake()
    assert claiming.result(_PATIENCE_S / 2) == []
    consumer.close()


def test_wake_ends_a_wait_and_closing_ends_the_session(
    broker: SqlBroker, threads: ThreadPoolExecutor, ask: Ask
) -> None:
    consumer = broker.consumer("w/1", ["default"])
    claiming = claim_in(threads, consumer)
    consumer.wake()
    assert claiming.result(_PATIENCE_S / 2) == []
    consumer.close()
    broker.close()
    sessions = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'treadle' AND datname = current_database()"
    )
    eventually(lambda: ask(sessions) == [(0,)], what="no session")


def test_with_notify_off_nobody_listens_and_jobs_are_found_by_looking(postgres_url: str, ask: Ask) -> None:
    broker = SqlBroker(postgres_url, {"postgres_notify": False})
    broker.migrate()
    broker.open_lease("w/1", 60)
    assert isinstance(broker._dialect.bell, Silence)
    consumer = broker.consumer("w/1", ["default"])
    timer = threading.Timer(0.1, broker.publish, ([job("a")],))
    timer.start()
    assert [each.id for each in consumer.claim(1, idle=True, wait_s=_PATIENCE_S).deliveries] == ["a"]
    timer.join()
    assert ask("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()") == [
        (0,)
    ]
    consumer.close()
    broker.close()


def test_two_namespaces_and_two_schemas_do_not_wake_one_another(postgres_url: str) -> None:
    brokers = [
        SqlBroker(postgres_url, options)
        for options in ({}, {"namespace": "other"}, {"postgres_schema": "jobs"}, {"namespace": "x" * 32})
    ]
    channels = set()
    for broker in brokers:
        bell = broker._dialect.bell
        assert isinstance(bell, NotifyBell)
        channels |= {bell.consumers, bell.watches}
    assert len(channels) == 8
    assert all(len(channel) < 64 for channel in channels), "a channel is a name, which PostgreSQL cuts off"


# Behind a pooler ---------------------------------------------------------------------------------------


def test_directly_no_pooler_is_seen(broker: SqlBroker) -> None:
    with link_of(broker) as link:
        assert not link.is_pooled
        assert link.wire.prepares


def test_behind_pgbouncer_nothing_is_prepared_and_nobody_believes_to_listen(
    postgres_url: str, pgbouncer_server: PgBouncerServer, ask: Ask
) -> None:
    broker = SqlBroker(pgbouncer_server.url_of(postgres_url.rpartition("/")[2]), {})
    broker.migrate()
    broker.open_lease("w/1", 60)
    consumer = broker.consumer("w/1", ["default"])
    timer = threading.Timer(0.1, broker.publish, ([job("a")],))
    timer.start()
    assert [each.id for each in consumer.claim(1, idle=True, wait_s=_PATIENCE_S).deliveries] == ["a"]
    timer.join()
    assert not ear_of(consumer).hears
    with link_of(broker) as link:
        assert link.is_pooled
        assert not link.wire.prepares
    with broker._dialect.snapshot() as executor:
        assert executor.rows("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
    assert any("is a pooler" in advice for advice in broker.check())
    consumer.close()
    broker.close()

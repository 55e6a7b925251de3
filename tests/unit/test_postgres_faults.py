"""What happens when the server hangs, restarts, is full, is read-only, or somebody holds a lock for too long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

import psycopg

from tests.servers import CuttingProxy, PostgresServer
from treadle.brokers.sql import SqlBroker
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.interfaces import CALL_DEADLINE_S
from treadle.job import Job
from treadle.settlement import Complete

#: What a busy machine may add: threads are not run at the very moment at which they could be.
_BUSY_S = 1.0


def job(id_: str) -> Job:
    return Job(id_, "t", b"json:[[],{}]")


@pytest.fixture
def broker(postgres_url: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(postgres_url, {})
    broker.migrate()
    yield broker
    broker.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server of the test's own."""
    with PostgresServer(tmp_path, ["max_connections=8"]) as server:
        yield server


@pytest.fixture
def own_broker(server: PostgresServer) -> Iterator[SqlBroker]:
    broker = SqlBroker(server.url, {})
    broker.migrate()
    yield broker
    broker.close()


def all_refused_in_time(*calls: Callable[[], object], because: str = "postgresql:") -> None:
    """Make the calls at once: each must be refused, within the deadline."""

    def call(work: Callable[[], object]) -> float:
        started_s = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=because):
            work()
        return time.monotonic() - started_s

    with ThreadPoolExecutor(len(calls)) as threads:
        for took in [threads.submit(call, work) for work in calls]:
            assert took.result(30) < CALL_DEADLINE_S + _BUSY_S


def test_every_call_is_refused_in_time_while_the_server_hangs(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with CuttingProxy(postgres_server.port) as proxy:
        broker = SqlBroker(proxy.url(postgres_url), {})
        stranger = SqlBroker(proxy.url(postgres_url), {})
        broker.migrate()
        broker.open_lease("w/1", 60)
        broker.publish([job("a"), job("b")])
        consumer, other, watch = *(broker.consumer("w/1", ["default"]) for _ in range(2)), broker.watch()
        (delivery,) = consumer.claim(1, idle=True).deliveries
        proxy.freeze()
        all_refused_in_time(
            lambda: broker.publish([job("c")]),
            lambda: broker.get(["a"]),
            lambda: consumer.claim(1, idle=True),
            lambda: other.settle([Complete(delivery)]),
            lambda: watch.wait(["a"], 30),
            lambda: broker.renew(["w/1"], 60),
            lambda: stranger.publish([job("d")]),
        )
        proxy.thaw()
        assert consumer.settle([Complete(delivery)]).refused == []
        assert watch.wait(["a"], 10) == {"a"}
        for each in (consumer, other, watch, broker, stranger):
            each.close()


def test_two_hosts_that_hang_are_given_up_in_time(postgres_server: PostgresServer) -> None:
    with CuttingProxy(postgres_server.port) as one, CuttingProxy(postgres_server.port) as two:
        one.freeze()
        two.freeze()
        broker = SqlBroker(f"postgresql://treadle:loopback@127.0.0.1:{one.port},127.0.0.1:{two.port}/treadle", {})
        all_refused_in_time(broker.counts)


def test_a_lock_that_somebody_holds_is_not_waited_for_in_vain(broker: SqlBroker, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as holder, psycopg.connect(postgres_url, autocommit=True) as observer:
        holder.execute("LOCK TABLE treadle_live IN ACCESS EXCLUSIVE MODE")
        reason = "another transaction .* holds what we need"
        all_refused_in_time(lambda: broker.publish([job("a")]), broker.counts, because=reason)
        waiting = observer.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ).fetchone()
        assert waiting == (0,), "a session that nobody listens to any more would wait on, and then write"
    broker.publish([job("c")])
    assert set(broker.get(["a", "c"])) == {"c"}


def test_the_first_call_after_a_restart_succeeds(server: PostgresServer, own_broker: SqlBroker) -> None:
    """Connections that the restart has ended are noticed before they are used."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(own_broker.publish, [[job(str(number))] for number in range(8)]))
    server.restart()
    own_broker.publish([job("after")])
    assert own_broker.counts().queues["default"].queued == 9
    server.kill()
    all_refused_in_time(own_broker.counts)
    server.start()
    assert own_broker.counts().queues["default"].queued == 9


def test_a_server_without_free_connections_is_unavailable_until_one_is_free(
    server: PostgresServer, own_broker: SqlBroker
) -> None:
    own_broker.close()
    with ExitStack() as others:
        for _ in range(8):
            others.enter_context(psycopg.connect(server.url))
        with pytest.raises(BrokerUnavailable, match="too many clients"):
            own_broker.counts()
    assert own_broker.counts().queues == {}


def test_a_server_that_takes_no_writes_says_so_and_is_left_for_another(
    broker: SqlBroker, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """As on a standby: where the same name leads to the primary soon, a kept connection would not."""
    name = postgres_url.rpartition("/")[2]
    broker.close()
    postgres_server.ask(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert broker.counts().queues == {}
    reason = r"takes no writes: .* target_session_attrs=read-write"
    with pytest.raises(BrokerUnavailable, match=reason):
        broker.publish([job("a")])
    with pytest.raises(BrokerUnavailable, match=reason):
        broker.pause("q")
    postgres_server.ask(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    broker.publish([job("a")])
    assert broker.get(["a"])


def test_tables_that_somebody_removed_are_a_matter_for_migrate(broker: SqlBroker, postgres_url: str) -> None:
    broker.counts()
    with psycopg.connect(postgres_url) as vandal:
        vandal.execute("DROP TABLE treadle_live")
    for refused in (broker.counts, lambda: broker.publish([job("a")])):
        with pytest.raises(ConfigurationError, match="run `treadle migrate`"):
            refused()


def test_an_answer_that_is_lost_can_be_asked_for_again(postgres_server: PostgresServer, postgres_url: str) -> None:
    with CuttingProxy(postgres_server.port) as proxy:
        broker = SqlBroker(proxy.url(postgres_url), {})
        broker.migrate()
        cut = proxy.cut_answer(to=b"treadle_job")
        with pytest.raises(BrokerUnavailable):
            broker.publish([job("a")])
        assert cut.is_set()
        broker.publish([job("a")])
        assert broker.counts().queues["default"].queued == 1
        broker.close()

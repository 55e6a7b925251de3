"""What the Redis broker does when the server dies, hangs, or loses an answer on the way."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeAlias

import pytest

from tests.servers import REDIS, RedisServer

pytest.importorskip("hiredis", reason="the Redis broker needs the extra `redis`")

from treadle.brokers.redis import RedisBroker
from treadle.brokers.redis.consumer import RedisConsumer
from treadle.brokers.redis.watch import RedisWatch
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.interfaces import CALL_DEADLINE_S
from treadle.job import Job
from treadle.settlement import Complete

Connect: TypeAlias = Callable[[str], RedisBroker]
OpenChild: TypeAlias = Callable[[RedisBroker], RedisConsumer]

_NAMESPACE = {"namespace": "faults"}
#: For what a busy machine adds to a deadline.
_SLACK_S = 1.5


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if REDIS.find() is None:
        pytest.skip("redis-server is not installed; run: python -m tests.servers ensure")
    with RedisServer(tmp_path_factory.mktemp("redis"), ("--appendonly", "yes", "--appendfsync", "always")) as server:
        yield server


@pytest.fixture
def server(module_server: RedisServer) -> RedisServer:
    module_server.ask("FLUSHALL")
    return module_server


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def connect(opened: ExitStack) -> Connect:
    def connect(url: str) -> RedisBroker:
        broker = RedisBroker(url, _NAMESPACE)
        opened.callback(broker.close)
        return broker

    return connect


@pytest.fixture
def broker(server: RedisServer, connect: Connect) -> RedisBroker:
    return connect(server.url)


@pytest.fixture
def child(opened: ExitStack) -> OpenChild:
    def child(broker: RedisBroker) -> RedisConsumer:
        broker.open_lease("w/1", 60)
        consumer = broker.consumer("w/1", ["default"])
        opened.callback(consumer.close)
        return consumer

    return child


@pytest.fixture
def watch(broker: RedisBroker, opened: ExitStack) -> RedisWatch:
    watch = broker.watch()
    opened.callback(watch.close)
    return watch


def _job(job_id: str) -> Job:
    return Job(job_id, "app.task", b"json:[[],{}]")


def _seconds_until_refused(call: Callable[[], object]) -> float:
    began_s = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        call()
    return time.monotonic() - began_s


def test_calls_go_on_after_the_server_was_killed_and_restarted(
    server: RedisServer, broker: RedisBroker, child: OpenChild
) -> None:
    consumer = child(broker)
    broker.publish([_job("a"), _job("b")])
    first = consumer.claim(1, idle=True).deliveries
    _cut_the_power(server)
    assert consumer.settle([Complete(first[0])]).refused == []
    _cut_the_power(server)
    assert [each.id for each in consumer.claim(1, idle=True).deliveries] == ["b"]
    _cut_the_power(server)
    broker.publish([_job("c")])
    assert {job_id: record.state for job_id, record in broker.get(["a", "b", "c"]).items()} == {
        "a": "succeeded",
        "b": "running",
        "c": "queued",
    }


def test_a_waiting_claim_and_a_watch_outlive_a_restart(
    server: RedisServer, broker: RedisBroker, child: OpenChild, watch: RedisWatch
) -> None:
    consumer = child(broker)
    broker.publish([_job("far")._replace(delay_ms=3_600_000)])
    assert consumer.claim(1, idle=True, wait_s=0.05).deliveries == []
    assert watch.wait(["far"], 0.05) == set()
    _cut_the_power(server)
    broker.publish([_job("near")])
    assert [each.id for each in consumer.claim(1, idle=True, wait_s=5).deliveries] == ["near"]
    broker.cancel(["far"])
    assert watch.wait(["far"], 5) == {"far"}


def test_every_call_is_refused_in_time_while_the_server_is_gone(
    server: RedisServer, broker: RedisBroker, child: OpenChild, watch: RedisWatch
) -> None:
    consumer = child(broker)
    server.stop()
    try:
        calls: list[Callable[[], object]] = [
            lambda: broker.publish([_job("a")]),
            lambda: broker.get(["a"]),
            lambda: broker.renew(["w/1"], 15),
            lambda: consumer.claim(1, idle=True, wait_s=30),
            lambda: watch.wait(["a"], 30),
        ]
        assert max(_seconds_until_refused(call) for call in calls) < CALL_DEADLINE_S + _SLACK_S
    finally:
        server.start()


def test_every_call_is_refused_in_time_while_the_server_hangs(
    server: RedisServer, broker: RedisBroker, connect: Connect, child: OpenChild, watch: RedisWatch
) -> None:
    consumer = child(broker)
    newcomer = connect(server.url)
    calls: list[Callable[[], object]] = [
        lambda: broker.publish([_job("a")]),
        lambda: newcomer.get(["a"]),
        lambda: consumer.claim(1, idle=True, wait_s=30),
        lambda: watch.wait(["a"], 30),
    ]
    with ThreadPoolExecutor(len(calls)) as threads:
        server.freeze()
        try:
            took_s = list(threads.map(_seconds_until_refused, calls))
        finally:
            server.thaw()
    assert max(took_s) < CALL_DEADLINE_S + _SLACK_S
    # The server goes on with what had arrived, in any order: perhaps with the publish, perhaps with the claim.
    broker.publish([_job("a")])
    assert [each.id for each in consumer.claim(1, idle=True, wait_s=5).deliveries] == ["a"]
    assert broker.counts().queues["default"].running == 1


def test_a_server_that_speaks_something_else_is_unavailable(server: RedisServer, connect: Connect) -> None:
    with _Cutter(server.port, answer=b"HTTP/1.1 400 Bad Request\r\n\r\n") as stranger:
        broker = connect(stranger.url)
        with pytest.raises(BrokerUnavailable):
            broker.get(["a"])


def test_jobs_claimed_in_an_answer_that_was_lost_are_claimed_again(
    server: RedisServer, broker: RedisBroker, connect: Connect, child: OpenChild
) -> None:
    broker.publish([_job(f"{number}") for number in range(10)])
    with _Cutter(server.port) as cutter:
        distant = connect(cutter.url)
        consumer = child(distant)
        kept = consumer.claim(2, idle=True).deliveries
        cutter.cut_next_answer()
        again = consumer.claim(3, idle=True).deliveries
        distant.close()
    assert cutter.cuts == 1
    assert [each.id for each in kept + again] == ["0", "1", "2", "3", "4"]
    assert broker.counts().queues["default"].running == 5
    records = broker.get([each.id for each in kept + again])
    assert [records[each.id].receipt for each in kept + again] == [each.receipt for each in kept + again]


def test_a_settlement_whose_answer_was_lost_is_not_refused(
    server: RedisServer, broker: RedisBroker, connect: Connect, child: OpenChild
) -> None:
    broker.publish([_job("a"), _job("b")])
    with _Cutter(server.port) as cutter:
        distant = connect(cutter.url)
        consumer = child(distant)
        delivery = consumer.claim(1, idle=True).deliveries[0]
        cutter.cut_next_answer()
        settled = consumer.settle([Complete(delivery)], claim_next=1)
        distant.close()
    assert (cutter.cuts, settled.refused, [each.id for each in settled.claimed.deliveries]) == (1, [], ["b"])
    assert broker.counts().stale_acks == 0


def test_a_claim_that_arrives_after_it_was_given_up_takes_nothing(broker: RedisBroker, child: OpenChild) -> None:
    broker.publish([_job("a")])
    consumer = child(broker)
    broker._client.call("disown", "w/1", 1)
    # As sent by the consumer in its first epoch, before it was in doubt.
    broker._client.call("exchange", "w/1", 0, 1, 1, 1, "default")
    assert broker.get(["a"])["a"].state == "queued"
    assert [each.id for each in consumer.claim(1, idle=True).deliveries] == ["a"], "a consumer made later goes on"


def test_a_wrong_password_is_an_error_of_the_set_up(server: RedisServer, broker: RedisBroker, connect: Connect) -> None:
    broker._client.run([("ACL", "SETUSER", "jobs", "on", ">right", "~*", "&*", "+@all")])
    assert connect(f"redis://jobs:right@127.0.0.1:{server.port}/0").get(["a"]) == {}
    with pytest.raises(ConfigurationError, match="WRONGPASS") as refusal:
        connect(f"redis://jobs:hunter2@127.0.0.1:{server.port}/0").get(["a"])
    assert "hunter2" not in str(refusal.value)


def test_certificates_that_cannot_be_read_are_an_error_of_the_set_up(server: RedisServer, connect: Connect) -> None:
    with pytest.raises(ConfigurationError, match="certificates"):
        connect(f"rediss://127.0.0.1:{server.port}?ssl_ca_certs=/nowhere/ca.pem").get(["a"])


def test_a_missing_password_is_an_error_of_the_set_up(
    server: RedisServer, broker: RedisBroker, connect: Connect
) -> None:
    broker._client.run([("ACL", "SETUSER", "default", "off")])
    try:
        with pytest.raises(ConfigurationError, match="password"):
            connect(server.url).get(["a"])
        with pytest.raises(ConfigurationError, match="password"):
            connect(server.url).publish([_job("a")])
    finally:
        broker._client.run([("ACL", "SETUSER", "default", "on")])


def test_a_full_server_is_unavailable_and_changes_nothing(broker: RedisBroker) -> None:
    broker._client.run([("CONFIG", "SET", "maxmemory", 1)])
    try:
        with pytest.raises(BrokerUnavailable, match="OOM"):
            broker.publish([_job("a")])
    finally:
        broker._client.run([("CONFIG", "SET", "maxmemory", 0)])
    assert broker.get(["a"]) == {}


def test_a_server_that_evicts_is_refused_by_workers_and_named_by_check(broker: RedisBroker) -> None:
    broker._client.run([("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")])
    try:
        assert any("allkeys-lru" in problem for problem in broker.check())
        with pytest.raises(ConfigurationError, match="noeviction"):
            broker.open_lease("w/1", 60)
    finally:
        broker._client.run([("CONFIG", "SET", "maxmemory-policy", "noeviction")])
    assert broker.check() == []


def test_a_server_without_a_log_is_named_by_check(tmp_path: Path, connect: Connect) -> None:
    with RedisServer(tmp_path, ("--save", "", "--appendonly", "no")) as server:
        assert ["appendonly is off" in problem for problem in connect(server.url).check()] == [True]


def test_a_schema_of_a_newer_version_is_refused(broker: RedisBroker) -> None:
    assert len(broker.migrate()) == 1
    assert broker.migrate() == []
    broker._client.run([("SET", broker._client.key("schema"), 99)])
    with pytest.raises(ConfigurationError, match=r"version 99.* version 1"):
        broker.migrate()
    assert ["version 99" in problem for problem in broker.check()] == [True]


def test_scripts_are_loaded_again_when_the_server_has_forgotten_them(server: RedisServer, broker: RedisBroker) -> None:
    broker.publish([_job("a")])
    server.ask("SCRIPT", "FLUSH")
    broker.publish([_job("b")])
    assert sorted(broker.get(["a", "b"])) == ["a", "b"]


def test_a_forked_child_opens_connections_of_its_own(broker: RedisBroker, watch: RedisWatch) -> None:
    broker.publish([_job("a")])
    assert watch.wait(["a"], 0.01) == set()
    pid = os.fork()
    if pid == 0:
        known = broker.get(["a"]) and watch.wait(["unknown"], 5) == {"unknown"}
        os._exit(0 if known else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    broker.cancel(["a"])
    assert watch.wait(["a"], 5) == {"a"}


def test_a_unix_socket_is_as_good_as_a_port(tmp_path: Path, connect: Connect) -> None:
    path = tmp_path / "r.sock"
    with RedisServer(tmp_path, ("--save", "", "--unixsocket", str(path))):
        broker = connect(f"redis+unix://{path}?db=2")
        broker.publish([_job("a")])
        assert broker.get(["a"])["a"].state == "queued"


def _cut_the_power(server: RedisServer) -> None:
    server.kill()
    server.start()


class _Cutter:
    """Passes bytes between clients and a server, until it is told to cut a connection instead of passing an answer.

    With `answer` it never asks the server, but says that.
    """

    def __init__(self, port: int, *, answer: bytes = b"") -> None:
        self._port = port
        self._answer = answer
        self._cut = threading.Event()
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def cut_next_answer(self) -> None:
        self._cut.set()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not end an `accept` that waits.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            while request := client.recv(1 << 20):
                server.sendall(request)
                answer = self._answer or server.recv(1 << 20)
                if self._cut.is_set():
                    self._cut.clear()
                    self.cuts += 1
                    return
                client.sendall(answer)


def test_a_server_with_too_many_clients_is_waited_for(tmp_path: Path, connect: Connect, opened: ExitStack) -> None:
    with RedisServer(tmp_path, ("--maxclients", "10")) as server:
        others = [opened.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(10)]
        for other in others:
            other.sendall(b"PING\r\n")
        assert [other.recv(64) for other in others[:9]] == [b"+PONG\r\n"] * 9
        broker = connect(server.url)

        with ThreadPoolExecutor(1) as thread:
            publishing = thread.submit(broker.publish, [Job("late", "task", b"json:[[],{}]")])
            others[0].sendall(b"INFO stats\r\n")
            for other in others:
                other.close()
            publishing.result(CALL_DEADLINE_S + _SLACK_S)

        assert broker.get(["late"])["late"].state == "queued"

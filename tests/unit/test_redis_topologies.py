"""Redis behind sentinels and in a cluster: the broker finds the node that takes writes, also after it has moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.servers import REDIS, RedisServer

pytest.importorskip("hiredis", reason="the Redis broker needs the extra `redis`")

from treadle.brokers.redis import RedisBroker
from treadle.exceptions import BrokerUnavailable
from treadle.job import Job

pytestmark = pytest.mark.skipif(REDIS.find() is None, reason="redis-server is not installed")

_PATIENCE_S = 20.0
#: A master that does not wait for more replicas before it sends its data to the first.
_EAGER = ("--save", "", "--repl-diskless-sync-delay", "0")


Connect: TypeAlias = Callable[[str], RedisBroker]


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as opened:

        def connect(url: str) -> RedisBroker:
            broker = RedisBroker(url)
            opened.callback(broker.close)
            return broker

        yield connect


class _Sentinel(RedisServer):
    """A sentinel that watches one master, under the name `main`."""

    def __init__(self, directory: Path, master: RedisServer) -> None:
        super().__init__(directory)
        self._master = master

    def command(self) -> list[str]:
        settings = self.directory / "sentinel.conf"
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\n"
            f"sentinel monitor main 127.0.0.1 {self._master.port} 1\n"
            "sentinel down-after-milliseconds main 300\n"
        )
        return [REDIS.find() or "", str(settings), "--sentinel"]

    def answers(self) -> bool:
        try:
            return "master0:name=main" in str(self.ask("INFO", "sentinel"))
        except OSError:
            return False


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)


def test_the_master_is_asked_of_the_sentinels_and_asked_again_after_a_failover(
    tmp_path: Path, connect: Connect
) -> None:
    places = [tmp_path / name for name in ("master", "replica", "sentinel")]
    for place in places:
        place.mkdir()
    with (
        RedisServer(places[0], _EAGER) as master,
        RedisServer(places[1]) as replica,
        _Sentinel(places[2], master) as sentinel,
    ):
        broker = connect(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/main")
        broker.publish([Job("a", "app.task", b"json:")])
        replica.ask("REPLICAOF", "127.0.0.1", str(master.port))
        _until(lambda: "master_link_status:up" in str(replica.ask("INFO", "replication")))
        # What a failover comes to, without the half minute that sentinels take over it.
        replica.ask("REPLICAOF", "NO", "ONE")
        master.ask("REPLICAOF", "127.0.0.1", str(replica.port))
        sentinel.ask("SENTINEL", "REMOVE", "main")
        sentinel.ask("SENTINEL", "MONITOR", "main", "127.0.0.1", str(replica.port), "1")
        broker.publish([Job("b", "app.task", b"json:")])
        assert sorted(broker.get(["a", "b"])) == ["a", "b"]
        assert replica.ask("HGET", "{treadle}:job:b", "s") == "q"


def test_a_service_that_no_sentinel_knows_is_unavailable_and_named(tmp_path: Path, connect: Connect) -> None:
    with RedisServer(tmp_path) as stranger:
        broker = connect(f"redis+sentinel://127.0.0.1:{stranger.port}/main")
        with pytest.raises(BrokerUnavailable, match="main"):
            broker.get(["a"])


def test_the_node_of_the_namespace_is_found_in_a_cluster(tmp_path: Path, connect: Connect) -> None:
    places = [tmp_path / name for name in ("owner", "other")]
    for place in places:
        place.mkdir()
    options = ("--save", "", "--cluster-enabled", "yes")
    with RedisServer(places[0], options) as owner, RedisServer(places[1], options) as other:
        owner.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        other.ask("CLUSTER", "MEET", "127.0.0.1", str(owner.port))
        _until(lambda: "cluster_state:ok" in str(owner.ask("CLUSTER", "INFO")))
        _until(lambda: "cluster_state:ok" in str(other.ask("CLUSTER", "INFO")))
        broker = connect(f"redis+cluster://127.0.0.1:{other.port}")
        broker.publish([Job("a", "app.task", b"json:")])
        broker.open_lease("w/1", 60)
        consumer = broker.consumer("w/1", ["default"])
        assert [each.id for each in consumer.claim(1, idle=True, wait_s=1).deliveries] == ["a"]
        assert consumer.claim(1, idle=True, wait_s=0.05).deliveries == []
        assert owner.ask("HGET", "{treadle}:job:a", "s") == "r"
        consumer.close()

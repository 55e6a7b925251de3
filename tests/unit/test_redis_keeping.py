"""What Redis keeps for those that wait, and what it removes, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("hiredis", reason="the Redis broker needs the extra `redis`")

from tests.harness.redis_workflows import MANY, NAMESPACE, Worker, chord, commands, fan, job, numbered, states
from treadle.brokers.redis import RedisBroker
from treadle.brokers.redis.address import parse_address
from treadle.brokers.redis.client import Client
from treadle.edges import Edge


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    broker = RedisBroker(redis_url, {"namespace": NAMESPACE})
    yield broker
    broker.close()


@pytest.fixture
def server(redis_url: str) -> Iterator[Client]:
    """The server itself, for what no broker tells."""
    client = Client(parse_address(redis_url), NAMESPACE)
    yield client
    client.close()


@pytest.fixture
def worker(broker: RedisBroker) -> Iterator[Worker]:
    worker = Worker(broker)
    yield worker
    worker.consumer.close()


def prune(broker: RedisBroker, **limits: Any) -> int:
    return broker.prune(max_age_s=None, max_count=0, **limits)


def prune_all(broker: RedisBroker) -> int:
    """Prune until nothing is found; how many were removed."""
    removed = 0
    while step := prune(broker):
        removed += step
    return removed


def test_a_wide_source_is_kept_for_the_last_of_its_targets(broker: RedisBroker, worker: Worker) -> None:
    *waiting, source = fan("a", numbered("t", 3 * MANY))
    broker.publish([*waiting[:-1], waiting[-1]._replace(need=2), source])
    worker.run()
    assert broker.delete(["a"]) == []
    assert prune_all(broker) == 3 * MANY - 1
    assert states(broker, ["a"]) == ["succeeded"]


def test_a_wide_fan_out_leaves_nothing(broker: RedisBroker, server: Client, worker: Worker) -> None:
    members = numbered("m", 3 * MANY)
    first, *whole = [job("first", edges=tuple(Edge(id, 0) for id in members)), *chord("j", members)]
    broker.publish([*(each._replace(need=1) if each.id in members else each for each in whole), first])
    assert len(worker.run()) == 3 * MANY + 2
    assert prune_all(broker) == 3 * MANY + 3
    kept = sorted(key.decode().partition(":")[2] for key in server.run([("KEYS", server.key("*"))])[0])
    assert [key for key in kept if key.startswith(("job", "edges", "sources", "workflow", "owed"))] == []


def test_a_wide_source_can_be_deleted(broker: RedisBroker, worker: Worker) -> None:
    ids = numbered("t", 3 * MANY)
    broker.publish(fan("a", ids))
    worker.run()
    assert broker.delete(["a"]) == ["a"]


def test_joins_of_joins_that_take_many_looks_leave_nothing(broker: RedisBroker, worker: Worker) -> None:
    joins = numbered("j", 90)
    members = {join: [f"{join}-{number}" for number in range(40)] for join in joins}
    broker.publish([job(id, need=1) for ids in members.values() for id in ids])
    broker.publish(
        [job(join, need=1, is_join=True, edges=tuple(map(Edge, members[join]))) for join in joins]
        + [job("a", edges=tuple(map(Edge, joins)))]
    )
    assert len(worker.run()) == 90 * 40 + 1
    assert broker.delete(["a"]) == ["a"]
    assert prune_all(broker) == 90 * 41


def test_thousands_that_are_kept_do_not_keep_the_rest(broker: RedisBroker, server: Client, worker: Worker) -> None:
    alone = numbered("z", 20)
    broker.publish(chord("j", numbered("m", 3 * MANY), need=3 * MANY + 1))
    broker.publish([*map(job, alone)])
    worker.run()
    assert prune(broker, limit=10) == 10
    before = commands(server)
    assert prune(broker, limit=10) == 10
    assert commands(server) - before < 200, "it went on where it was"
    assert prune(broker) == 0
    assert len(broker.get(numbered("m", 3 * MANY))) == 3 * MANY

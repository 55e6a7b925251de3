"""How Redis consumers and watches are woken: by the store, once each, and from outside."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

pytest.importorskip("hiredis", reason="the Redis broker needs the extra `redis`")

from treadle.brokers.redis import RedisBroker
from treadle.brokers.redis.consumer import RedisConsumer
from treadle.interfaces import Claimed
from treadle.job import Job
from treadle.settlement import Complete

_PATIENCE_S = 10.0


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    broker = RedisBroker(redis_url, {"namespace": "waiting"})
    yield broker
    broker.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def _job(job_id: str) -> Job:
    return Job(job_id, "app.task", b"json:[[],{}]")


def _consumer(broker: RedisBroker, lease: str) -> RedisConsumer:
    broker.open_lease(lease, 60)
    return broker.consumer(lease, ["default"])


def _await_blocked(broker: RedisBroker, count: int) -> None:
    """Return once so many blocking reads are open on the server."""
    deadline = time.monotonic() + _PATIENCE_S
    while f"blocked_clients:{count}\r\n" not in broker._client.run([("INFO", "clients")])[0].decode():
        assert time.monotonic() < deadline, "nobody waits"


def _claim_in(threads: ThreadPoolExecutor, consumer: RedisConsumer) -> Future[tuple[Claimed, float]]:
    def claim() -> tuple[Claimed, float]:
        began_s = time.monotonic()
        claimed = consumer.claim(1, idle=True, wait_s=_PATIENCE_S)
        return claimed, time.monotonic() - began_s

    return threads.submit(claim)


def test_wake_ends_a_waiting_claim_and_its_blocking_read(broker: RedisBroker, threads: ThreadPoolExecutor) -> None:
    consumer = _consumer(broker, "w/1")
    claim = _claim_in(threads, consumer)
    _await_blocked(broker, 1)
    consumer.wake()
    claimed, took_s = claim.result(_PATIENCE_S)
    assert claimed == Claimed([])
    assert took_s < _PATIENCE_S / 2
    _await_blocked(broker, 0)
    consumer.close()


def test_wake_from_a_signal_handler_ends_a_waiting_claim(broker: RedisBroker) -> None:
    consumer = _consumer(broker, "w/1")
    before = signal.signal(signal.SIGUSR1, lambda *_: consumer.wake())
    main = threading.main_thread().ident or 0

    def interrupt() -> None:
        _await_blocked(broker, 1)
        signal.pthread_kill(main, signal.SIGUSR1)

    other = threading.Thread(target=interrupt)
    try:
        other.start()
        began_s = time.monotonic()
        assert consumer.claim(1, idle=True, wait_s=_PATIENCE_S) == Claimed([])
        assert time.monotonic() - began_s < _PATIENCE_S / 2
    finally:
        other.join()
        signal.signal(signal.SIGUSR1, before)
        consumer.close()


def test_a_wake_that_comes_first_is_kept_for_the_next_claim(broker: RedisBroker) -> None:
    consumer = _consumer(broker, "w/1")
    consumer.wake()
    began_s = time.monotonic()
    consumer.claim(1, idle=True, wait_s=_PATIENCE_S)
    assert time.monotonic() - began_s < 1
    consumer.close()


def test_a_batch_wakes_as_many_as_it_has_jobs(broker: RedisBroker, threads: ThreadPoolExecutor) -> None:
    consumers = [_consumer(broker, f"w/{number}") for number in range(3)]
    claims = [_claim_in(threads, consumer) for consumer in consumers]
    _await_blocked(broker, 3)
    broker.publish([_job(each) for each in "abc"])
    answers = [claim.result(_PATIENCE_S) for claim in claims]
    assert sorted(each.id for claimed, _ in answers for each in claimed.deliveries) == ["a", "b", "c"]
    # Nobody was left to find the work by the look that it takes once a second: see the next case.
    for consumer in consumers:
        consumer.close()


def test_a_marker_that_is_lost_with_its_taker_delays_a_job_by_no_more_than_a_second(
    broker: RedisBroker, threads: ThreadPoolExecutor
) -> None:
    consumer = _consumer(broker, "w/1")
    claim = _claim_in(threads, consumer)
    _await_blocked(broker, 1)
    key = broker._client.key
    # As if another consumer had been woken by the marker and died: the job is there, and its marker is not.
    fields = ("t", "app.task", "q", "default", "y", "json:", "n", 1, "s", "q", "m", 1)
    broker._client.run([("HSET", key("job:a"), *fields), ("ZADD", key("q:default"), 1, "a")])
    claimed, took_s = claim.result(_PATIENCE_S)
    assert [each.id for each in claimed.deliveries] == ["a"]
    assert took_s < 2.5
    consumer.close()


def test_a_marker_taken_by_one_who_stops_waiting_is_passed_on(broker: RedisBroker) -> None:
    consumer = _consumer(broker, "w/1")
    consumer._markers.wait(0.01)
    broker.publish([_job("a")])
    consumer._stop_waiting()
    assert broker._client.run([("EXISTS", broker._client.key("marker:default"))]) == [1]
    consumer.close()


def test_a_request_to_cancel_wakes_the_child_that_runs_the_job(
    broker: RedisBroker, threads: ThreadPoolExecutor
) -> None:
    consumer = _consumer(broker, "w/1")
    broker.publish([_job("a")])
    assert consumer.claim(1, idle=True).deliveries
    claim = _claim_in(threads, consumer)
    _await_blocked(broker, 1)
    broker.cancel(["a"], terminate=True)
    claim.result(1)
    assert [(each.id, each.terminate) for each in consumer.cancel_requests()] == [("a", True)]
    assert consumer.cancel_requests() == []
    consumer.close()


def test_a_watch_whose_subscription_was_cut_hears_of_the_end_all_the_same(
    broker: RedisBroker, threads: ThreadPoolExecutor
) -> None:
    consumer, watch = _consumer(broker, "w/1"), broker.watch()
    broker.publish([_job("a")])
    delivery = consumer.claim(1, idle=True).deliveries[0]
    assert watch.wait(["a"], 0.01) == set()
    broker._client.run([("CLIENT", "KILL", "TYPE", "pubsub")])
    consumer.settle([Complete(delivery)])
    assert watch.wait(["a"], _PATIENCE_S) == {"a"}
    consumer.close()
    watch.close()


def test_nothing_is_published_for_a_job_that_nobody_waits_for(broker: RedisBroker) -> None:
    consumer = _consumer(broker, "w/1")
    broker.publish([_job("a")])
    broker._client.run([("CONFIG", "RESETSTAT")])
    consumer.settle([Complete(each) for each in consumer.claim(1, idle=True).deliveries])
    assert b"cmdstat_publish" not in broker._client.run([("INFO", "commandstats")])[0]
    consumer.close()

"""Waiting for results: one watch, any number of callers."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from treadle import AsyncResult, Treadle
from treadle.exceptions import BrokerUnavailable, ConfigurationError, JobNotFound, ResultTimeout
from treadle.job import Delivery
from treadle.settlement import Complete

PATIENCE_S = 20


class Desk:
    """Settles jobs when a test says so."""

    def __init__(self, app: Treadle) -> None:
        self.app = app
        app.broker.open_lease("lease", 60)
        self._consumer = app.broker.consumer("lease", ["default"])

    def close(self) -> None:
        """Drop the consumer's connections."""
        self._consumer.close()

    def succeed(self, count: int) -> None:
        """Complete that many jobs, each with its only argument as its value."""
        claimed = self._consumer.claim(count, idle=True, wait_s=PATIENCE_S)
        self._consumer.settle([Complete(each, self._value(each)) for each in claimed.deliveries])

    def _value(self, delivery: Delivery) -> bytes:
        args, _ = self.app.codec.decode_call(delivery.payload)
        return self.app.result_codec.encode(args[0])


@pytest.fixture(params=["memory", "sqlite", "redis"])
def app(request: pytest.FixtureRequest) -> Iterator[Treadle]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue(f"{request.param}_url")
    with Treadle("app", broker=url) as app:
        app.broker.migrate()
        yield app


@pytest.fixture
def desk(app: Treadle) -> Iterator[Desk]:
    desk = Desk(app)
    yield desk
    desk.close()


def publish(app: Treadle, count: int) -> list[AsyncResult[Any]]:
    return app.publish_many(app.signature("task", (number,)) for number in range(count))


def until_awaited(app: Treadle, count: int) -> None:
    """Return once that many jobs are waited for."""
    deadline_s = time.monotonic() + PATIENCE_S
    while len(app.waiting._waiters) < count and time.monotonic() < deadline_s:
        os.sched_yield()
    assert len(app.waiting._waiters) >= count


def test_a_lone_caller_waits_without_another_thread(app: Treadle, desk: Desk) -> None:
    [result] = publish(app, 1)
    desk.succeed(1)
    assert result.get(timeout=PATIENCE_S) == 0
    assert "treadle-results" not in [thread.name for thread in threading.enumerate()]


def test_many_threads_each_get_their_own(app: Treadle, desk: Desk) -> None:
    results = publish(app, 8)
    with ThreadPoolExecutor(8) as pool:
        values = [pool.submit(result.get, PATIENCE_S) for result in results]
        until_awaited(app, 8)
        for _ in range(8):
            desk.succeed(1)
        assert [value.result(PATIENCE_S) for value in values] == list(range(8))


def test_a_leader_that_is_served_hands_over(app: Treadle, desk: Desk) -> None:
    first, second = publish(app, 2)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first.get, PATIENCE_S)
        until_awaited(app, 1)
        two = pool.submit(second.get, PATIENCE_S)
        until_awaited(app, 2)
        desk.succeed(1)
        assert one.result(PATIENCE_S) == 0
        desk.succeed(1)
        assert two.result(PATIENCE_S) == 1


def test_a_leader_that_gives_up_hands_over(app: Treadle, desk: Desk) -> None:
    first, second = publish(app, 2)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first.get, 0.2)
        until_awaited(app, 1)
        two = pool.submit(second.get, PATIENCE_S)
        assert isinstance(one.exception(PATIENCE_S), ResultTimeout)
        desk.succeed(2)
        assert two.result(PATIENCE_S) == 1


def test_thousands_of_coroutines_wait_on_one_thread(app: Treadle, desk: Desk) -> None:
    results = publish(app, 2000)

    async def wait() -> list[Any]:
        waiting = [asyncio.ensure_future(result.aget(PATIENCE_S)) for result in results]
        await asyncio.sleep(0)
        assert sum(thread.name == "treadle-results" for thread in threading.enumerate()) == 1
        for _ in range(4):
            await asyncio.to_thread(desk.succeed, 500)
        return await asyncio.gather(*waiting)

    assert asyncio.run(wait()) == list(range(2000))


def test_coroutines_and_threads_wait_together(app: Treadle, desk: Desk) -> None:
    first, second = publish(app, 2)

    async def wait() -> list[Any]:
        in_thread = asyncio.ensure_future(asyncio.to_thread(first.get, PATIENCE_S))
        in_loop = asyncio.ensure_future(second.aget(PATIENCE_S))
        await asyncio.to_thread(until_awaited, app, 2)
        await asyncio.to_thread(desk.succeed, 2)
        return [await in_thread, await in_loop]

    assert asyncio.run(wait()) == [0, 1]


def test_two_may_wait_for_the_same_job(app: Treadle, desk: Desk) -> None:
    [result] = publish(app, 1)
    with ThreadPoolExecutor(2) as pool:
        values = [pool.submit(app.AsyncResult(result.id).get, PATIENCE_S) for _ in range(2)]
        until_awaited(app, 1)
        desk.succeed(1)
        assert [value.result(PATIENCE_S) for value in values] == [0, 0]


def test_a_timeout_says_that_the_job_goes_on(app: Treadle) -> None:
    [result] = publish(app, 1)
    with pytest.raises(ResultTimeout, match="it goes on"):
        result.get(timeout=0.01)
    with pytest.raises(TimeoutError):
        asyncio.run(result.aget(timeout=0.01))
    assert app.waiting._waiters == {}


def test_an_unknown_job_is_an_error_at_once(app: Treadle) -> None:
    with pytest.raises(JobNotFound):
        app.AsyncResult("nobody").get(timeout=PATIENCE_S)
    with pytest.raises(JobNotFound):
        asyncio.run(app.AsyncResult("nobody").aget(timeout=PATIENCE_S))


def test_closing_the_app_ends_every_wait_and_waiting_again_works(app: Treadle, desk: Desk) -> None:
    first, second = publish(app, 2)
    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(each.get, PATIENCE_S) for each in (first, second)]
        until_awaited(app, 2)
        app.waiting.close()
        assert all(isinstance(wait.exception(PATIENCE_S), BrokerUnavailable) for wait in waits)
    desk.succeed(2)
    assert (first.get(PATIENCE_S), second.get(PATIENCE_S)) == (0, 1)


def test_an_outage_reaches_all_who_wait_and_the_next_wait_works(
    app: Treadle, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = publish(app, 3)
    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(each.get, PATIENCE_S) for each in results]
        until_awaited(app, 3)
        with monkeypatch.context() as away:
            away.setattr(app.broker, "get", _unavailable)
            desk.succeed(1)
            assert all(isinstance(wait.exception(PATIENCE_S), BrokerUnavailable) for wait in waits)
    desk.succeed(2)
    assert [each.get(PATIENCE_S) for each in results] == [0, 1, 2]


def _unavailable(_ids: object) -> Any:
    raise BrokerUnavailable("away")


@pytest.mark.parametrize("app", ["memory"], indirect=True)
@pytest.mark.parametrize("method", ["watch", "get"])
@pytest.mark.parametrize("error", [ConfigurationError, RuntimeError, SystemExit])
def test_an_error_in_the_stand_in_reaches_all_coroutines_and_the_next_wait_works(
    app: Treadle, desk: Desk, monkeypatch: pytest.MonkeyPatch, method: str, error: type[BaseException]
) -> None:
    told = error if issubclass(error, Exception) else BrokerUnavailable
    results = publish(app, 3)

    def fail(*_: object) -> Any:
        raise error("odd")

    async def wait() -> list[Any]:
        return await asyncio.gather(*(each.aget(2) for each in results), return_exceptions=True)

    with monkeypatch.context() as broken:
        broken.setattr(app.broker, method, fail)
        if method == "get":
            desk.succeed(3)
        assert [type(each) for each in asyncio.run(wait())] == [told] * 3
    if method == "watch":
        desk.succeed(3)
    assert asyncio.run(wait()) == [0, 1, 2]
    assert [each.get(2) for each in results] == [0, 1, 2]


@pytest.mark.parametrize("app", ["sqlite", "redis"], indirect=True)
def test_a_forked_process_waits_by_itself(app: Treadle, desk: Desk) -> None:
    first, second = publish(app, 2)
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(first.get, PATIENCE_S)
        until_awaited(app, 1)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if second.get(PATIENCE_S) == 1 else 2
            finally:
                os._exit(code)
        desk.succeed(2)
        assert wait.result(PATIENCE_S) == 0
        assert os.waitpid(child, 0)[1] == 0

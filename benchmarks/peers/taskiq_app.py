"""The application that a taskiq worker loads."""

from __future__ import annotations

from typing import Any

from taskiq_redis import (  # type: ignore[import-not-found,unused-ignore]  # only in its own environment
    RedisAsyncResultBackend,
    RedisStreamBroker,
)

from benchmarks.peers import async_work
from benchmarks.peers.command import url_from_environment

_url = url_from_environment()
# A database of their own, so that the results can be counted in one cheap command.
results_url = f"{_url.rpartition('/')[0]}/1"
broker: Any = RedisStreamBroker(url=_url).with_result_backend(RedisAsyncResultBackend(redis_url=results_url))

noop: Any = broker.task(task_name="noop")(async_work.noop)
sleep: Any = broker.task(task_name="sleep")(async_work.sleep)

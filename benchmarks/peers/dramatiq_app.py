"""The application that a Dramatiq worker loads."""

from __future__ import annotations

from typing import Any

import dramatiq  # type: ignore[import-not-found,unused-ignore]  # only in its own environment
from dramatiq.brokers.redis import RedisBroker  # type: ignore[import-not-found,unused-ignore]
from dramatiq.results import Results  # type: ignore[import-not-found,unused-ignore]
from dramatiq.results.backends import RedisBackend  # type: ignore[import-not-found,unused-ignore]

from benchmarks.peers import work
from benchmarks.peers.command import url_from_environment

_url = url_from_environment()
# A database of their own, so that the results can be counted in one cheap command.
results: Any = RedisBackend(url=f"{_url.rpartition('/')[0]}/1")
broker: Any = RedisBroker(url=_url)
broker.add_middleware(Results(backend=results, store_results=True))
dramatiq.set_broker(broker)

noop: Any = dramatiq.actor(work.noop, actor_name="noop")
sleep: Any = dramatiq.actor(work.sleep, actor_name="sleep")

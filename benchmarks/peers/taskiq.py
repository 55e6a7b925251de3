"""taskiq on Redis: the stream broker, the one of its brokers that acknowledges; two processes, its default.

Its tasks are coroutines, up to 100 at a time in a process, its default; sleeps get 50, so that 100 run in all.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis import Redis  # type: ignore[import-not-found,unused-ignore]  # taskiq-redis brings it

from benchmarks.peers.command import WAIT_S, Peer, Pool, become, main
from benchmarks.peers.taskiq_app import broker, noop, results_url, sleep

_TASKS = {"processes": "100", "asyncio": "50"}
#: The default is 200.
_CHECK_INTERVAL_MS = 1


class TaskiqPeer(Peer):
    """Taskiq as its guide uses it."""

    def __init__(self, url: str, *, waited_for: bool) -> None:
        self._results: Any = Redis.from_url(results_url)
        self._loop = asyncio.new_event_loop()

    def prepare(self) -> None:
        """Declare the consumer group: what is published before nobody reads."""
        self._loop.run_until_complete(broker.startup())

    def enqueue(self, count: int) -> None:
        """`kiq`."""
        self._loop.run_until_complete(_kick(noop, count))

    def enqueue_sleeps(self, count: int, pool: Pool) -> None:
        """`kiq`."""
        self._loop.run_until_complete(_kick(sleep, count))

    def round_trip(self) -> None:
        """`kiq` and `wait_result`, which looks often."""
        self._loop.run_until_complete(_kick_and_wait())

    def stored(self) -> int:
        """Keys of the results' database."""
        return int(self._results.dbsize())

    def serve(self, pool: Pool) -> None:
        """`taskiq worker`."""
        tasks = ["--max-async-tasks", _TASKS[pool], "--log-level", "WARNING"]
        become("-m", "taskiq", "worker", "benchmarks.peers.taskiq_app:broker", "--workers", "2", *tasks)


async def _kick(task: Any, count: int) -> None:
    for _ in range(count):
        await task.kiq()


async def _kick_and_wait() -> None:
    task = await noop.kiq()
    await task.wait_result(check_interval=_CHECK_INTERVAL_MS / 1000, timeout=WAIT_S)


if __name__ == "__main__":
    main(TaskiqPeer)

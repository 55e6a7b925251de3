"""Huey on Redis and SQLite: default settings; a consumer with two worker processes.

Where results are waited for on Redis, `notify_result` is on, its quickest way.
"""

from __future__ import annotations

import logging
from typing import Any

from huey import RedisHuey, SqliteHuey, chord  # type: ignore[import-not-found,unused-ignore]  # only in its own environment

from benchmarks.peers.command import WAIT_S, Peer, Pool, main
from benchmarks.peers.work import noop, sleep, total

_WORKERS = {"processes": ("process", 2), "threads": ("thread", 100)}


class HueyPeer(Peer):
    """Huey as its guide uses it."""

    def __init__(self, url: str, *, waited_for: bool) -> None:
        self._huey: Any
        if url.startswith("redis"):
            self._huey = RedisHuey("benchmarks", url=url, notify_result=waited_for)
        else:
            self._huey = SqliteHuey("benchmarks", filename=url.removeprefix("sqlite:///"))
        self._noop: Any = self._huey.task(name="noop")(noop)
        self._total: Any = self._huey.task(name="total")(total)
        self._sleep: Any = self._huey.task(name="sleep")(sleep)

    def enqueue(self, count: int) -> None:
        """Call the task."""
        for _ in range(count):
            self._noop()

    def enqueue_sleeps(self, count: int, pool: Pool) -> None:
        """Call the task."""
        for _ in range(count):
            self._sleep()

    def round_trip(self) -> None:
        """Call the task and wait."""
        self._noop()(blocking=True, timeout=WAIT_S)

    def chord(self, count: int) -> int:
        """`chord`."""
        header = [self._noop.s() for _ in range(count)]
        result = self._huey.enqueue(chord(header, self._total.s()))
        return int(result.get(blocking=True, timeout=WAIT_S))

    def stored(self) -> int:
        """Results that nobody has read."""
        return int(self._huey.result_count())

    def serve(self, pool: Pool) -> None:
        """`huey_consumer -w 2 -k process`."""
        logging.getLogger("huey").setLevel(logging.WARNING)
        kind, workers = _WORKERS[pool]
        self._huey.create_consumer(workers=workers, worker_type=kind).run()


if __name__ == "__main__":
    main(HueyPeer)

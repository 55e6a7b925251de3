"""Celery on Redis: default settings; a worker with two prefork children; results in a database beside the queue."""

from __future__ import annotations

from typing import Any

from celery import Celery, chord  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in its own environment
from redis import Redis  # type: ignore[import-not-found,unused-ignore]  # Celery brings it

from benchmarks.peers.command import WAIT_S, Peer, Pool, main
from benchmarks.peers.work import noop, sleep, total

_POOLS = {"processes": ("prefork", 2), "threads": ("threads", 100)}


class CeleryPeer(Peer):
    """Celery as its guide uses it."""

    def __init__(self, url: str, *, waited_for: bool) -> None:
        # A database of their own, so that the results can be counted in one cheap command.
        results = f"{url.rpartition('/')[0]}/1"
        self._results: Any = Redis.from_url(results)
        self._app: Any = Celery("benchmarks", broker=url, backend=results)
        self._noop: Any = self._app.task(noop, name="noop")
        self._total: Any = self._app.task(total, name="total")
        self._sleep: Any = self._app.task(sleep, name="sleep")

    def enqueue(self, count: int) -> None:
        """`delay`."""
        for _ in range(count):
            self._noop.delay()

    def enqueue_many(self, count: int) -> None:
        """It has no bulk call; the nearest is one producer for all."""
        self._publish(self._noop, count)

    def enqueue_sleeps(self, count: int, pool: Pool) -> None:
        """As in bulk."""
        self._publish(self._sleep, count)

    def round_trip(self) -> None:
        """`delay` and `get`."""
        self._noop.delay().get(timeout=WAIT_S)

    def chord(self, count: int) -> int:
        """`chord`."""
        header = [self._noop.s() for _ in range(count)]
        return int(chord(header, self._total.s(), app=self._app)().get(timeout=WAIT_S))

    def stored(self) -> int:
        """Keys of the results' database."""
        return int(self._results.dbsize())

    def serve(self, pool: Pool) -> None:
        """`celery worker`."""
        kind, concurrency = _POOLS[pool]
        self._app.worker_main(["worker", f"--pool={kind}", f"--concurrency={concurrency}", "--loglevel=WARNING"])

    def _publish(self, task: Any, count: int) -> None:
        with self._app.producer_pool.acquire(block=True) as producer:
            for _ in range(count):
                task.apply_async(producer=producer)


if __name__ == "__main__":
    main(CeleryPeer)

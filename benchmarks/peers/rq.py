"""RQ on Redis: default settings; a pool of two workers of its default class, which forks a process for each job."""

from __future__ import annotations

from typing import Any

from redis import Redis  # type: ignore[import-not-found,unused-ignore]  # RQ brings it
from rq import Queue  # type: ignore[import-not-found,unused-ignore]  # only in its own environment

from benchmarks.peers.command import WAIT_S, Peer, Pool, become, main
from benchmarks.peers.work import noop

_BATCH = 1000


class RqPeer(Peer):
    """RQ as its guide uses it."""

    def __init__(self, url: str, *, waited_for: bool) -> None:
        self._url = url
        self._redis: Any = Redis.from_url(url)
        self._queue: Any = Queue(connection=self._redis)

    def enqueue(self, count: int) -> None:
        """`enqueue`."""
        for _ in range(count):
            self._queue.enqueue(noop)

    def enqueue_many(self, count: int) -> None:
        """`enqueue_many`, in batches."""
        for done in range(0, count, _BATCH):
            size = min(_BATCH, count - done)
            self._queue.enqueue_many([Queue.prepare_data(noop) for _ in range(size)])

    def round_trip(self) -> None:
        """`enqueue` and wait for the first result."""
        self._queue.enqueue(noop).latest_result(timeout=WAIT_S)

    def stored(self) -> int:
        """Jobs that are registered as finished, which is done together with storing their results."""
        return int(self._redis.zcard(self._queue.finished_job_registry.key))

    def serve(self, pool: Pool) -> None:
        """`rq worker-pool`."""
        become("-m", "rq.cli", "worker-pool", "--url", self._url, "--num-workers", "2", "--logging-level", "WARNING")


if __name__ == "__main__":
    main(RqPeer)

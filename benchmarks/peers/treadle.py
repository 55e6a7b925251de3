"""Treadle: default settings; a worker with two prefork children; results in the store itself."""

from __future__ import annotations

from benchmarks.peers.command import WAIT_S, Peer, Pool, become, main
from benchmarks.peers.treadle_app import app, async_sleep, noop, sleep, total
from treadle import chord

_POOLS = {"processes": ("prefork", 2), "threads": ("threads", 100), "asyncio": ("asyncio", 100)}


class TreadlePeer(Peer):
    """Treadle through its public interface."""

    def prepare(self) -> None:
        """`treadle migrate`."""
        app.broker.migrate()

    def enqueue(self, count: int) -> None:
        """`delay`."""
        for _ in range(count):
            noop.delay()

    def enqueue_many(self, count: int) -> None:
        """`publish_many`."""
        app.publish_many(noop.s() for _ in range(count))

    def enqueue_sleeps(self, count: int, pool: Pool) -> None:
        """`publish_many`."""
        task = async_sleep if pool == "asyncio" else sleep
        app.publish_many(task.s() for _ in range(count))

    def round_trip(self) -> None:
        """`delay` and `get`."""
        noop.delay().get(timeout=WAIT_S)

    def chord(self, count: int) -> int:
        """`chord`."""
        value: int = chord([noop.s() for _ in range(count)], total.s()).delay().get(timeout=WAIT_S)
        return value

    def stored(self) -> int:
        """Jobs that succeeded: their records are written together with their results."""
        return app.broker.counts().final.get("succeeded", 0)

    def serve(self, pool: Pool) -> None:
        """`treadle worker`."""
        kind, concurrency = _POOLS[pool]
        place = ["-A", "benchmarks.peers.treadle_app:app"]
        become("-m", "treadle", *place, "worker", "-P", kind, "-c", str(concurrency), "-l", "WARNING")


if __name__ == "__main__":
    main(TreadlePeer)

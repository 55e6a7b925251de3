"""Dramatiq on Redis: default settings and its Results middleware; two processes with 8 threads each, its default.

Sleeps get what serves it best: 100 threads in two processes.
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers.command import WAIT_S, Peer, Pool, become, main
from benchmarks.peers.dramatiq_app import noop, results, sleep

_THREADS = {"processes": "8", "threads": "50"}


class DramatiqPeer(Peer):
    """Dramatiq as its guide uses it."""

    def enqueue(self, count: int) -> None:
        """`send`."""
        _send(noop, count)

    def enqueue_sleeps(self, count: int, pool: Pool) -> None:
        """`send`."""
        _send(sleep, count)

    def round_trip(self) -> None:
        """`send` and `get_result`."""
        noop.send().get_result(block=True, timeout=WAIT_S * 1000)

    def stored(self) -> int:
        """Keys of the results' database."""
        return int(results.client.dbsize())

    def serve(self, pool: Pool) -> None:
        """`dramatiq --processes 2`."""
        become("-m", "dramatiq", "benchmarks.peers.dramatiq_app:broker", "-p", "2", "-t", _THREADS[pool])


def _send(actor: Any, count: int) -> None:
    for _ in range(count):
        actor.send()


if __name__ == "__main__":
    main(DramatiqPeer)

"""Procrastinate on PostgreSQL: two worker processes; it stores no results, so a job counts when its status is."""

from __future__ import annotations

import time
from typing import Any

import psycopg  # type: ignore[import-not-found,unused-ignore]  # Procrastinate brings it

from benchmarks.peers.command import WAIT_S, Peer, Pool, become, main
from benchmarks.peers.procrastinate_app import app, noop

_BATCH = 1000
_CONCURRENCY = 10
_LOOK_S = 0.001
_COUNT = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"


class ProcrastinatePeer(Peer):
    """Procrastinate as its guide uses it."""

    def __init__(self, url: str, *, waited_for: bool) -> None:
        self._url = url
        self._app: Any = app.open()
        self._connection: Any = None

    def prepare(self) -> None:
        """`procrastinate schema --apply`."""
        self._app.schema_manager.apply_schema()

    def enqueue(self, count: int) -> None:
        """`defer`."""
        for _ in range(count):
            noop.defer()

    def enqueue_many(self, count: int) -> None:
        """`batch_defer`."""
        for done in range(0, count, _BATCH):
            noop.batch_defer(*({} for _ in range(min(_BATCH, count - done))))

    def round_trip(self) -> None:
        """`defer`; it has no way to wait, so look often."""
        job, deadline_s = noop.defer(), time.monotonic() + WAIT_S
        while self._app.job_manager.get_job_status(job).value != "succeeded" and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)

    def stored(self) -> int:
        """Jobs whose status says that they succeeded."""
        self._connection = self._connection or psycopg.connect(self._url, autocommit=True)
        return int(self._connection.execute(_COUNT).fetchone()[0])

    def serve(self, pool: Pool) -> None:
        """`procrastinate worker`, twice."""
        options = ["--log-level", "warning", "worker", "--concurrency", str(_CONCURRENCY)]
        become("-m", "procrastinate", "--app", "benchmarks.peers.procrastinate_app.app", *options, times=2)


if __name__ == "__main__":
    main(ProcrastinatePeer)

"""One soak: jobs, a worker, and looks at how large everything is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.harness import Worker, eventually, processes
from tests.harness.report import Row
from tests.harness.stores import store_of
from tests.soak.gauges import Size, size_of
from tests.soak.load import live_jobs, publish
from treadle import Treadle

#: How long records are kept: long enough that there are some, short enough that they go while the soak runs.
RETENTION_S = 5.0
_LOOKS = 10
#: After the last job: retention looks twice a minute, PostgreSQL's autovacuum once.
_CLEARED_WITHIN_S = 300.0
#: What may be dead and not vacuumed: the thresholds of the tables, together (docs/adr/0011).
_MOST_DEAD = 6000
#: By then buffers and caches have their size, and retention has come round: what still grows, grows for ever.
_STEADY_AFTER_S = 60.0
_MIB = 1 << 20

#: What may be left or grow: entries beside jobs (leases that were closed, names of queues), and shares of sizes.
_MOST_ENTRIES_LEFT = 50
_MOST_MEMORY_GROWTH = 1.25
_MOST_STORE_GROWTH = 1.5


class Look(NamedTuple):
    """How large everything was at one time."""

    at_s: float
    published: int
    #: Jobs that have not ended.
    live: int
    #: Records of jobs that have.
    kept: int
    #: Of all the worker's processes.
    pss_mib: float
    store: Size

    def row(self) -> Row:
        """The look as a row of a table."""
        return {
            "after s": round(self.at_s),
            "jobs published": self.published,
            "live": self.live,
            "records": self.kept,
            "worker, PSS in MiB": round(self.pss_mib, 1),
            "store, MiB": round(self.store.bytes / _MIB, 1),
            "keys or rows": self.store.entries,
            "dead rows, free pages": self.store.dead,
        }


def soak(url: str, directory: Path, *, jobs: int, children: int, say: Callable[[str], None]) -> list[Look]:
    """Publish and run so many jobs on the store at `url`, wait until retention is done; what it looked like."""
    with closing(Treadle("soak", broker=url, set_as_current=False)) as app:
        app.broker.migrate()
        worker = Worker(
            url,
            directory,
            app="tests.soak.app",
            arguments=("-l", "critical"),
            worker_concurrency=children,
            result_expires=RETENTION_S,
            failed_expires=RETENTION_S,
        ).start()
        try:
            worker.await_children(children)
            return _soak(app, worker, jobs, say)
        finally:
            worker.clean_up()


def growth(looks: Sequence[Look]) -> list[str]:
    """What grew though it should not have, or is left though all is done; one sentence each.

    Whether sizes grow can be told only of a run that lasts some minutes.
    """
    found: list[str] = []
    first, middle, last = looks[0], looks[len(looks) // 2], looks[-1]
    if last.store.entries > first.store.entries + _MOST_ENTRIES_LEFT:
        found.append(f"{last.store.entries:,} keys or rows are left of {first.store.entries:,} at the beginning")
    if middle.at_s < _STEADY_AFTER_S:
        return found
    if last.pss_mib > middle.pss_mib * _MOST_MEMORY_GROWTH:
        found.append(f"the worker grew from {middle.pss_mib:.1f} to {last.pss_mib:.1f} MiB in the second half")
    if last.store.bytes > middle.store.bytes * _MOST_STORE_GROWTH:
        grown = f"{middle.store.bytes / _MIB:.1f} to {last.store.bytes / _MIB:.1f} MiB"
        found.append(f"the store grew from {grown} in the second half")
    return found


def _soak(app: Treadle, worker: Worker, jobs: int, say: Callable[[str], None]) -> list[Look]:
    began_s = time.monotonic()
    published = 0
    looks = [_look(app, worker, began_s, published)]
    for published in publish(app, jobs):
        if published >= jobs * len(looks) / _LOOKS:
            looks.append(_look(app, worker, began_s, published))
            say(f"{published:,} of {jobs:,} jobs published")
    say("waiting for the last jobs, and for retention")
    eventually(lambda: live_jobs(app.broker.counts()) == 0, within_s=_CLEARED_WITHIN_S, what="the last jobs")
    eventually(lambda: not any(app.broker.counts().final.values()), within_s=_CLEARED_WITHIN_S, what="no records")
    if store_of(app.broker.safe_url) == "postgresql":
        eventually(lambda: size_of(app.broker).dead <= _MOST_DEAD, within_s=_CLEARED_WITHIN_S, what="vacuum")
    looks.append(_look(app, worker, began_s, published))
    return looks


def _look(app: Treadle, worker: Worker, began_s: float, published: int) -> Look:
    counts = app.broker.counts()
    pss_mib = sum(processes.pss_kib(pid) for pid in worker.family()) / 1024
    at_s = time.monotonic() - began_s
    return Look(at_s, published, live_jobs(counts), sum(counts.final.values()), pss_mib, size_of(app.broker))

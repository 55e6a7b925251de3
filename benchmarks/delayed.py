"""What a worker costs, and how fast it is, beside many jobs that are not due for a long time."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.backlog import fill
from benchmarks.peers import work
from benchmarks.sample import percentile
from benchmarks.sessions import watch_idle
from treadle import Treadle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.processes import Session
    from benchmarks.sessions import Bench
    from treadle.interfaces import Broker
    from treadle.job import Record

_DAY_MS = 24 * 3600 * 1000
_TOGETHER = 500
_LOOK_S = 0.05
_DRAIN_DEADLINE_S = 180.0


class Cost(NamedTuple):
    """What was measured beside `delayed` jobs."""

    delayed: int
    pss_mib: float
    rss_mib: float
    idle_cpu_percent: float
    round_trip_p50_ms: float
    drained_per_s: float


def cost_beside(delayed: int, bench: Bench, repeat: int) -> Cost:
    """The cost of Treadle's worker on that store, emptied first, beside so many jobs that are due tomorrow.

    The drain is the median of `repeat` runs.
    """
    bench = bench.afresh()
    with Treadle("curve", broker=bench.url) as app:
        fill(app.broker, delayed, delay_ms=_DAY_MS)
        with bench.worker("--waited-for") as worker:
            took_ms = bench.ask("round-trips", "--jobs", str(bench.sizes.round_trips))
            idle = watch_idle(worker, bench.sizes.idle_s)
            rss_mib = worker.rss_mib()
        drained_per_s = median(_drained_per_s(app, bench) for _ in range(repeat))
    return Cost(delayed, idle["idle_pss"], rss_mib, idle["idle_cpu"], percentile(took_ms, 50), drained_per_s)


def _drained_per_s(app: Treadle, bench: Bench) -> float:
    """By the records, in the store's clock, from the first end to the last: counting would read all that wait."""
    noop = app.task(name="noop")(work.noop)
    ids = [handle.id for handle in app.publish_many(noop.s() for _ in range(bench.sizes.jobs))]
    with bench.worker() as worker:
        _wait_for(app.broker, ids[-_TOGETHER:], worker)
        # The tail is done, so the others are, but for what the other child still holds.
        ends_ms = [record.finished_ms for record in _records(app.broker, ids) if record.is_final]
    return 1000 * len(ends_ms) / max(1, max(ends_ms) - min(ends_ms))


def _wait_for(broker: Broker, ids: Sequence[str], worker: Session) -> None:
    deadline_s = time.monotonic() + _DRAIN_DEADLINE_S
    while not all(record.is_final for record in _records(broker, ids)):
        worker.check_alive()
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"the jobs were not done after {_DRAIN_DEADLINE_S:.0f} s")
        time.sleep(_LOOK_S)


def _records(broker: Broker, ids: Sequence[str]) -> list[Record]:
    parts = (ids[start : start + _TOGETHER] for start in range(0, len(ids), _TOGETHER))
    return [record for part in parts for record in broker.get(part).values()]

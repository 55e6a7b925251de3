"""How fast one consumer claims and settles, beside a backlog of a certain size.

Through the `Consumer` interface, in one process: the store and its statements are all there is, and neither a pool
nor a template that starts hides what a claim costs. The backlog is kept at its size outside of the clock.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from treadle import Treadle
from treadle.job import Job, new_id
from treadle.settlement import Complete

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from treadle.interfaces import Broker, Consumer

_LEASE, _LEASE_S = "curve/1", 24 * 3600.0
_PUBLISHED_TOGETHER = 1000
_CLAIMED_TOGETHER = 100
_PAYLOAD, _RESULT = b"json:[[], {}]", b"json:1"


class Point(NamedTuple):
    """Jobs per second, claimed and settled, at a backlog of `waiting` jobs."""

    waiting: int
    one_by_one: float
    together: float


def claim_curve(url: str, sizes: Sequence[int], claims: int, repeat: int) -> Iterator[Point]:
    """A point for each size, the smallest first: `claims` jobs in batches of 100, and a tenth of them one by one.

    Each is the median of `repeat` runs.
    """
    with Treadle("curve", broker=url) as app:
        app.broker.migrate()
        app.broker.open_lease(_LEASE, _LEASE_S)
        consumer = app.broker.consumer(_LEASE, ["default"])
        filled = 0
        for size in sorted(sizes):
            fill(app.broker, size - filled)
            filled = size
            one_by_one = [_settled_per_s(app.broker, consumer, claims // 10, batch=1) for _ in range(repeat)]
            together = [_settled_per_s(app.broker, consumer, claims, batch=_CLAIMED_TOGETHER) for _ in range(repeat)]
            yield Point(size, median(one_by_one), median(together))
        consumer.close()


def fill(broker: Broker, count: int, *, delay_ms: int = 0) -> None:
    """Publish so many jobs that nobody will run, or not before `delay_ms`."""
    for done in range(0, count, _PUBLISHED_TOGETHER):
        some = min(_PUBLISHED_TOGETHER, count - done)
        broker.publish([Job(new_id(), "noop", _PAYLOAD, delay_ms=delay_ms) for _ in range(some)])


def _settled_per_s(broker: Broker, consumer: Consumer, claims: int, *, batch: int) -> float:
    held = consumer.claim(batch, idle=False).deliveries
    settled, spent_s = 0, 0.0
    while settled < claims and held:
        fill(broker, len(held))
        settled += len(held)
        started_s = time.perf_counter()
        answer = consumer.settle([Complete(delivery, _RESULT) for delivery in held], claim_next=batch)
        spent_s += time.perf_counter() - started_s
        held = answer.claimed.deliveries
    consumer.settle([Complete(delivery, _RESULT) for delivery in held])
    fill(broker, len(held))
    if settled < claims:
        raise RuntimeError(f"only {settled} of {claims} jobs could be claimed in batches of {batch}")
    return settled / spent_s

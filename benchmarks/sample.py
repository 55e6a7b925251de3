"""Measured values, and what is made of them."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Measure(NamedTuple):
    """What a number means."""

    name: str
    label: str
    #: Digits after the point.
    digits: int = 0


#: In the order of the table.
MEASURES = (
    Measure("enqueue", "enqueue one by one, jobs/s"),
    Measure("enqueue_cpu", "client CPU s per 1,000 calls", 3),
    Measure("bulk", "enqueue in bulk, jobs/s"),
    Measure("drain", "no-op drain, results stored, jobs/s"),
    Measure("drain_cpu", "worker CPU s per 1,000 jobs", 3),
    Measure("round_trip_p50", "round trip p50, ms", 2),
    Measure("round_trip_p99", "round trip p99, ms", 2),
    Measure("sleeps_threads", "sleeps of 50 ms, 100 threads, s", 2),
    Measure("sleeps_asyncio", "sleeps of 50 ms, 100 coroutines, s", 2),
    Measure("chord", "chord of 1,000 no-ops and their sum, ms"),
    Measure("idle_pss", "idle worker, PSS in MiB", 1),
    Measure("idle_cpu", "idle worker, CPU in %", 2),
    Measure("import_ms", "import of the package, ms", 1),
    Measure("import_modules", "modules of the package"),
    Measure("import_app_ms", "import of the app class, ms", 1),
    Measure("import_app_modules", "modules of the app class"),
)


class Sample(NamedTuple):
    """One value of one measure."""

    measure: str
    store: str
    contestant: str
    round: int
    value: float


class Spread(NamedTuple):
    """The middle and the ends of some values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values))


def by_round(samples: Iterable[Sample], measure: str, store: str, contestant: str) -> dict[int, float]:
    """A contestant's values of a measure, by round."""
    key = (measure, store, contestant)
    return {sample.round: sample.value for sample in samples if sample[:3] == key}


def ratios(ours: dict[int, float], theirs: dict[int, float]) -> list[float]:
    """Ours over theirs, round by round, where both have a value and theirs is not 0."""
    return [value / theirs[number] for number, value in ours.items() if theirs.get(number)]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of at least one value that is not below `percent` (0-100) of them (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]

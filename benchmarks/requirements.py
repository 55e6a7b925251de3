"""The ratios that Treadle has to keep, and whether it did."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Literal, NamedTuple

from benchmarks.contestants import OURS
from benchmarks.sample import MEASURES, by_round, ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.sample import Sample


class Theirs(NamedTuple):
    """A peer's figure; for no peer at all, the bound is a figure itself."""

    peer: str
    store: str
    measure: str


class Requirement(NamedTuple):
    """Treadle's figure is so many times the peer's, or more, or less."""

    store: str
    measure: str
    relation: Literal[">=", "<="]
    bound: float
    peer: str = ""
    #: Where the peer's figure differs from Treadle's.
    peer_store: str = ""
    peer_measure: str = ""

    @property
    def theirs(self) -> Theirs:
        """What it is compared with."""
        return Theirs(self.peer, self.peer_store or self.store, self.peer_measure or self.measure)

    def holds(self, value: float) -> bool:
        """Whether that ratio, or figure, is good enough."""
        return value >= self.bound if self.relation == ">=" else value <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.relation == ">=" else "≤"
        if not self.peer:
            return f"{sign} {self.bound:g}"
        place = f" on {self.peer_store}" if self.peer_store else ""
        return f"{sign} {self.bound:g} x {self.peer}{place}"


REQUIREMENTS = (
    Requirement("redis", "drain", ">=", 20, "celery"),
    Requirement("redis", "drain", ">=", 4, "huey"),
    Requirement("redis", "enqueue", ">=", 4, "celery"),
    Requirement("redis", "bulk", ">=", 20, "celery"),
    Requirement("redis", "round_trip_p50", "<=", 0.45, "celery"),
    Requirement("redis", "sleeps_threads", "<=", 1.1, "dramatiq"),
    Requirement("redis", "sleeps_asyncio", "<=", 1.1, "dramatiq", peer_measure="sleeps_threads"),
    Requirement("redis", "chord", "<=", 1 / 15, "celery"),
    Requirement("redis", "chord", "<=", 0.5, "huey"),
    Requirement("redis", "drain_cpu", "<=", 0.1, "celery"),
    Requirement("redis", "drain_cpu", "<=", 0.5, "huey"),
    Requirement("redis", "idle_pss", "<=", 0.8, "celery"),
    Requirement("redis", "idle_cpu", "<=", 1),
    Requirement("postgres", "drain", ">=", 30, "procrastinate"),
    Requirement("postgres", "enqueue", ">=", 2.5, "procrastinate"),
    Requirement("postgres", "bulk", ">=", 2, "procrastinate"),
    Requirement("postgres", "round_trip_p50", "<=", 1, "procrastinate"),
    Requirement("sqlite", "drain", ">=", 8, "huey"),
    Requirement("sqlite", "enqueue", ">=", 2, "django-tasks-db"),
    Requirement("sqlite", "bulk", ">=", 10, "celery", peer_store="redis"),
    Requirement("sqlite", "round_trip_p50", "<=", 0.3, "huey"),
)


def measured(requirement: Requirement, samples: Sequence[Sample]) -> float | None:
    """The median over the rounds of what is required; None if it, or what it is compared with, was not measured."""
    ours = by_round(samples, requirement.measure, requirement.store, OURS)
    peer, store, measure = requirement.theirs
    values = ratios(ours, by_round(samples, measure, store, peer)) if peer else list(ours.values())
    return median(values) if values else None


def requirements_table(samples: Sequence[Sample]) -> str:
    """What is required, what was measured, and whether it holds, as Markdown; nothing about what was not tried."""
    labels = {measure.name: measure.label for measure in MEASURES}
    tried = {(sample.store, sample.measure) for sample in samples}
    lines = ["| store | figure | required | measured | holds |", "| --- | --- | ---: | ---: | --- |"]
    for requirement in REQUIREMENTS:
        if (requirement.store, requirement.measure) not in tried:
            continue
        label, value = labels[requirement.measure], measured(requirement, samples)
        lines.append(f"| {requirement.store} | {label} | {requirement} | {_verdict(requirement, value)} |")
    return "\n".join(lines)


def _verdict(requirement: Requirement, value: float | None) -> str:
    if value is None:
        return "- | not measured"
    return f"{value:.4g} | {'yes' if requirement.holds(value) else '**no**'}"

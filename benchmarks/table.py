"""The samples as text: one Markdown table per store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks.contestants import OURS
from benchmarks.sample import MEASURES, Measure, Spread, by_round, ratios
from benchmarks.stores import STORE_SETUPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.options import Options
    from benchmarks.sample import Sample

#: Treadle on a store that its peers are not measured on stands beside them on this one.
_PEERS_ARE_ON = {"redis-aof": "redis"}


def conditions(options: Options, versions: Mapping[str, str]) -> str:
    """Under which conditions the table came about."""
    who = ", ".join(f"{name} {version}" for name, version in versions.items())
    stores = "\n".join(f"- {store}: {STORE_SETUPS[store]}" for store in options.stores)
    sizes = options.sizes
    return (
        f"{who}; {os.cpu_count()} cores; {options.repeat} rounds, interleaved; workers with 2 processes.\n"
        f"{sizes.calls:,} calls one by one, {sizes.jobs:,} jobs to drain (slow peers get a part), "
        f"{sizes.round_trips:,} round trips, {sizes.sleeps:,} sleeps.\n"
        "Medians (lowest-highest); x is Treadle's value over the peer's in the same round: above 1 is better for\n"
        "jobs/s, below 1 for everything else. A backlog is published before the worker starts; the clock runs from\n"
        f"the first stored result to the last.\n{stores}"
    )


def table(samples: Sequence[Sample]) -> str:
    """Treadle and its peers side by side, a table for each store."""
    stores = list(dict.fromkeys(sample.store for sample in samples))
    return "\n\n".join(_table_of(store, samples) for store in stores)


def _table_of(store: str, samples: Sequence[Sample]) -> str:
    beside = _PEERS_ARE_ON.get(store, store)
    names = dict.fromkeys(sample.contestant for sample in samples if sample.store in {store, beside})
    peers = [name for name in names if name != OURS]
    found = {sample.measure for sample in samples if sample.store == store}
    measures = [measure for measure in MEASURES if measure.name in found]
    lines = [["" if store == "none" else store, OURS, *peers], ["---", *["---:"] * (len(peers) + 1)]]
    for measure in measures:
        ours = by_round(samples, measure.name, store, OURS)
        cells = [_beside(measure, ours, by_round(samples, measure.name, beside, peer)) for peer in peers]
        lines.append([measure.label, _cell(measure, ours), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(measure: Measure, values: Mapping[int, float]) -> str:
    if not values:
        return ""
    middle, low, high = (f"{value:,.{measure.digits}f}" for value in Spread.of(list(values.values())))
    return middle if low == high else f"{middle} ({low}-{high})"


def _beside(measure: Measure, ours: dict[int, float], theirs: dict[int, float]) -> str:
    pairs = ratios(ours, theirs)
    if not theirs:
        return ""
    if not pairs:
        return _cell(measure, theirs)
    middle, low, high = (_short(value) for value in Spread.of(pairs))
    factor = middle if low == high else f"{middle} ({low}-{high})"
    return f"{_cell(measure, theirs)} **x {factor}**"


def _short(ratio: float) -> str:
    """One digit after the point, or two that matter if it is below 1."""
    return f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2g}"

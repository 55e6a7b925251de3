"""`python -m benchmarks.curve`: whether Treadle slows down, or grows, with what waits in its store."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.backlog import claim_curve
from benchmarks.contestants import contestants_named
from benchmarks.delayed import cost_beside
from benchmarks.environment import Environment
from benchmarks.failures import Failures
from benchmarks.options import CACHE, chosen
from benchmarks.sessions import Bench, Sizes
from benchmarks.stores import STORE_NAMES, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.stores import Store

_STORES = "redis,postgres,sqlite"


def main(arguments: Sequence[str]) -> int:
    """Carry out the command line; the answer is the exit code. What fails is left out and named."""
    given, failures = _parser().parse_args(arguments), Failures()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="treadle-curve-")))
        for name in chosen(given.stores, STORE_NAMES, "--stores"):
            with failures.caught(f"store {name}"):
                store = open_store(name, folder / name, stack)
                for part in chosen(given.only, tuple(_PARTS), "--only"):
                    with failures.caught(f"{part} on {name}"):
                        _PARTS[part](name, store, given)
    print(failures)
    return 0


def _backlog(name: str, store: Store, given: argparse.Namespace) -> None:
    sizes = [int(size) for size in given.sizes.split(",")]
    print(f"\n| {name}: waiting jobs | claimed and settled one by one, jobs/s | in batches of 100, jobs/s |")
    print("| ---: | ---: | ---: |")
    for point in claim_curve(store.fresh_url(), sizes, given.claims, given.repeat):
        print(f"| {point.waiting:,} | {point.one_by_one:,.0f} | {point.together:,.0f} |", flush=True)


def _delayed(name: str, store: Store, given: argparse.Namespace) -> None:
    (ours,) = contestants_named([])
    sizes = Sizes(given.jobs, calls=0, round_trips=given.round_trips, sleeps=0, idle_s=given.idle_s, chord=0)
    bench = Bench(Environment(ours, CACHE.expanduser()), store, 1.0, sizes)
    figures = ("PSS in MiB", "RSS in MiB", "idle CPU in %", "round trip p50, ms", "no-op drain, jobs/s")
    print(f"\n| {name}: delayed jobs | {' | '.join(figures)} |\n| ---: {'| ---: ' * len(figures)}|")
    for delayed in (0, given.delayed):
        cost = cost_beside(delayed, bench, given.repeat)
        memory = f"{cost.pss_mib:.1f} | {cost.rss_mib:.1f}"
        speed = f"{cost.idle_cpu_percent:.2f} | {cost.round_trip_p50_ms:.2f} | {cost.drained_per_s:,.0f}"
        print(f"| {cost.delayed:,} | {memory} | {speed} |", flush=True)


_PARTS: dict[str, Callable[[str, Store, argparse.Namespace], None]] = {"backlog": _backlog, "delayed": _delayed}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curve",
        description="Treadle beside a growing backlog, and beside many delayed jobs: one Markdown table each.",
    )
    add = parser.add_argument
    add("--only", default=",".join(_PARTS), help="which tables (default: %(default)s)")
    add("--stores", default=_STORES, help="where jobs wait (default: %(default)s)")
    add("--sizes", default="1000,10000,100000,1000000", help="backlogs (default: %(default)s)")
    add("--claims", type=int, default=5_000, help="jobs to claim and settle at each (default: %(default)s)")
    add("--delayed", type=int, default=1_000_000, help="jobs that are not due (default: %(default)s)")
    add("--jobs", type=int, default=20_000, help="jobs to drain beside them (default: %(default)s)")
    add("--round-trips", type=int, default=200, help="calls that wait for their result (default: %(default)s)")
    add("--repeat", type=int, default=3, help="runs of each rate, of which the median counts (default: %(default)s)")
    add("--idle-s", type=float, default=10.0, help="seconds to watch an idle worker (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the command line says."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.contestants import CONTESTANTS, OURS
from benchmarks.plan import SESSION_NAMES
from benchmarks.sessions import Sizes
from benchmarks.stores import STORE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Where peers are installed.
CACHE = Path("~/.cache/treadle-benchmarks")


class Options(NamedTuple):
    """A checked command line."""

    sessions: tuple[str, ...]
    peers: tuple[str, ...]
    stores: tuple[str, ...]
    repeat: int
    sizes: Sizes
    cache: Path
    json: Path | None


def read_options(arguments: Sequence[str]) -> Options:
    """The options; ends the program with a usage message for wrong ones."""
    given = _parser().parse_args(arguments)
    sizes = Sizes(given.jobs, given.calls, given.round_trips, given.sleeps, given.idle_s, given.chord)
    return Options(
        sessions=chosen(given.only, SESSION_NAMES, "--only"),
        # Which peers there are is asked later, so that the message can name the nearest one.
        peers=_names(given.peers),
        stores=chosen(given.stores, STORE_NAMES, "--stores"),
        repeat=given.repeat,
        sizes=sizes,
        cache=given.cache.expanduser(),
        json=given.json,
    )


def chosen(text: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """The names in a list with commas. Raises SystemExit for one that is not known."""
    names = _names(text)
    for name in names:
        if name not in known:
            raise SystemExit(f"{option} {name!r}: expected some of {', '.join(known)}")
    return names


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Treadle beside its peers, as ratios.")
    peers = ",".join(contestant.name for contestant in CONTESTANTS if contestant.name != OURS)
    add = parser.add_argument
    add("--only", default=",".join(SESSION_NAMES), help="sessions (default: %(default)s)")
    add("--peers", default=peers, help="whom to measure beside Treadle; empty: nobody (default: %(default)s)")
    add("--stores", default=",".join(STORE_NAMES), help="where jobs wait (default: %(default)s)")
    add("--jobs", type=int, default=40_000, help="backlog to drain; slow peers get a part of it (default: %(default)s)")
    add("--calls", type=int, default=5_000, help="jobs to enqueue one by one (default: %(default)s)")
    add("--round-trips", type=int, default=200, help="calls that wait for their result (default: %(default)s)")
    add("--sleeps", type=int, default=2_000, help="jobs of 50 ms to run, 100 at a time (default: %(default)s)")
    add("--chord", type=int, default=1_000, help="members of a chord (default: %(default)s)")
    add("--idle-s", type=float, default=4.0, help="seconds to watch an idle worker (default: %(default)s)")
    add("--repeat", type=int, default=3, help="rounds; in each everybody has a turn (default: %(default)s)")
    add("--cache", type=Path, default=CACHE, help="where peers are installed (default: %(default)s)")
    add("--json", type=Path, help="write every sample to this file, too")
    return parser

"""The command line that every contestant's module has: `python -m benchmarks.peers.NAME ACTION`.

It runs inside the contestant's own environment, so it knows the standard library alone. Where jobs wait
is told by the environment variable `BENCHMARK_URL`, so that a worker's processes know it too. Answers
are printed as JSON, one value a line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: How a worker runs jobs: two processes of one job each (or as many as the system gives a process by default),
#: or 100 jobs at a time in threads or in event loops.
Pool: TypeAlias = Literal["processes", "threads", "asyncio"]
URL_VARIABLE = "BENCHMARK_URL"

#: Longer than any single wait for a result.
WAIT_S = 60
#: Connects, imports and compiles what only the first calls do.
_WARM_UP_CALLS = 100
_WARM_UP_ROUND_TRIPS = 20
#: A system that looks for jobs once a second gets no more than so much time for its round trips, or their warm-up.
_ROUND_TRIPS_S = 8.0
_STORE_DEADLINE_S = 180.0
_ACTIONS = ("prepare", "enqueue", "bulk", "sleeps", "round-trips", "chords", "watch", "serve")
#: What somebody waits for.
_WAITING = ("round-trips", "chords")
_WARM_UP_CHORD, _CHORDS = 100, 3


class Peer(ABC):
    """A contestant, used as its own guide uses it."""

    def __init__(self, url: str, *, waited_for: bool) -> None:  # noqa: B027  # those with a `..._app` have all in it
        """`waited_for`: somebody will wait for results, should that need an option."""

    def prepare(self) -> None:  # noqa: B027  # most have none
        """Make the tables, where there are any."""

    @abstractmethod
    def enqueue(self, count: int) -> None:
        """Publish `count` jobs that do nothing, one by one, as an application does."""

    def enqueue_many(self, count: int) -> None:
        """Publish as many as fast as its public interface can; a loop for those without a bulk call."""
        self.enqueue(count)

    def enqueue_sleeps(self, count: int, pool: Pool) -> None:
        """Publish `count` jobs that wait, for that kind of pool."""
        raise NotImplementedError(f"{type(self).__name__} takes no part in this session: {count} sleeps on {pool}")

    @abstractmethod
    def round_trip(self) -> None:
        """Publish one job and wait for its result."""

    def chord(self, count: int) -> int:
        """Publish so many jobs that do nothing and one that adds up what they give; wait for that sum."""
        raise NotImplementedError(f"{type(self).__name__} takes no part in this session: a chord of {count}")

    @abstractmethod
    def stored(self) -> int:
        """How many results are in the store: a cheap question."""

    @abstractmethod
    def serve(self, pool: Pool) -> None:
        """Be a worker until a signal ends it."""


def url_from_environment() -> str:
    """Where jobs wait."""
    return os.environ[URL_VARIABLE]


def become(*command: str, times: int = 1) -> NoReturn:
    """Run a Python command in place of this process, and, for systems whose workers are one process each, beside it."""
    full = [sys.executable, *command]
    for _ in range(times - 1):
        subprocess.Popen(full)
    os.execv(full[0], full)


def main(make: type[Peer]) -> None:
    """Carry out the command line with that contestant."""
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=_ACTIONS)
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--pool", choices=get_args(Pool), default="processes")
    parser.add_argument("--waited-for", action="store_true")
    parser.add_argument("--look-s", type=float, default=0.02)
    given = parser.parse_args()
    peer = make(url_from_environment(), waited_for=given.waited_for or given.action in _WAITING)
    if given.action == "serve":
        peer.serve(given.pool)
        return
    for answer in _answers(peer, given):
        print(json.dumps(answer), flush=True)


def _answers(peer: Peer, given: argparse.Namespace) -> Iterator[object]:
    match given.action:
        case "prepare":
            peer.prepare()
            yield True
        case "enqueue":
            peer.enqueue(_WARM_UP_CALLS)
            yield _timed(lambda: peer.enqueue(given.jobs))
        case "bulk":
            first = min(given.jobs - 1, _WARM_UP_CALLS)
            peer.enqueue_many(first)
            yield {"jobs": given.jobs - first, **_timed(lambda: peer.enqueue_many(given.jobs - first))}
        case "sleeps":
            yield _timed(lambda: peer.enqueue_sleeps(given.jobs, given.pool))
        case "round-trips":
            _round_trips_ms(peer, _WARM_UP_ROUND_TRIPS)
            yield _round_trips_ms(peer, given.jobs)
        case "chords":
            _chord_ms(peer, _WARM_UP_CHORD)
            yield [_chord_ms(peer, given.jobs) for _ in range(_CHORDS)]
        case _:
            yield _first_look(peer, 1, given.look_s)
            yield _first_look(peer, given.jobs, given.look_s)


def _timed(action: Callable[[], None]) -> dict[str, float]:
    """How long an action took, and what it cost this process."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    action()
    return {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s}


def _round_trips_ms(peer: Peer, at_most: int) -> Sequence[float]:
    """How long each of so many round trips took, or of those that there was time for."""
    took_ms: list[float] = []
    deadline_s = time.monotonic() + _ROUND_TRIPS_S
    while len(took_ms) < at_most and time.monotonic() < deadline_s:
        took_ms.append(_timed(peer.round_trip)["wall_s"] * 1000)
    return took_ms


def _chord_ms(peer: Peer, count: int) -> float:
    """How long a chord took from the call to the sum of its members. Raises RuntimeError if that is wrong."""
    sums: list[int] = []
    took_ms = _timed(lambda: sums.append(peer.chord(count)))["wall_s"] * 1000
    if sums != [count]:
        raise RuntimeError(f"a chord of {count} ones gave {sums}")
    return took_ms


def _first_look(peer: Peer, at_least: int, look_s: float) -> dict[str, float]:
    """The first look at which so many results are stored: how many there are, and when that was."""
    deadline_s = time.monotonic() + _STORE_DEADLINE_S
    while time.monotonic() < deadline_s:
        stored = peer.stored()
        if stored >= at_least:
            return {"stored": stored, "at_s": time.monotonic()}
        time.sleep(look_s)
    sys.exit(f"after {_STORE_DEADLINE_S:.0f} s only {peer.stored()} of {at_least} results are stored")

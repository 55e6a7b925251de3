"""What is done with a contestant in one turn, and what is read off."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.environment import ROOT
from benchmarks.peers.work import SLEEP_S
from benchmarks.processes import Session
from benchmarks.sample import percentile

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.environment import Environment
    from benchmarks.stores import Store

#: Time for what a worker still does after the last job.
_SETTLE_DOWN_S = 1.0
#: One sleep is some ten looks long.
_SLEEPS_LOOK_S = 0.005

_IMPORT = """
import json, sys, time
before, started_s = len(sys.modules), time.perf_counter()
{statement}
print(json.dumps([(time.perf_counter() - started_s) * 1000, len(sys.modules) - before]))
"""
_IMPORTS = 3


class Sizes(NamedTuple):
    """How much is done in a turn."""

    jobs: int
    calls: int
    round_trips: int
    sleeps: int
    idle_s: float
    chord: int


class Bench(NamedTuple):
    """What a session works with: an installed contestant, and a store. See `afresh`."""

    environment: Environment
    store: Store
    #: Which part of the backlog this contestant gets.
    share: float
    sizes: Sizes
    url: str = ""

    def afresh(self) -> Bench:
        """The same on an empty store, tables made."""
        bench = self._replace(url=self.store.fresh_url())
        if bench.url:
            bench.ask("prepare")
        return bench

    @property
    def backlog(self) -> int:
        """How many jobs there are to drain."""
        return max(1, int(self.sizes.jobs * self.share))

    def ask(self, action: str, *arguments: str) -> Any:
        """The contestant's answer to an action."""
        return self.environment.ask(self.url, action, *arguments)

    def worker(self, *arguments: str) -> Session:
        """A worker, of two processes unless `arguments` name another pool."""
        return Session(self.environment.command("serve", *arguments), self.environment.variables(self.url))

    def watcher(self, jobs: int, *arguments: str) -> subprocess.Popen[str]:
        """A process that tells when the first result is stored, and when all are."""
        command = self.environment.command("watch", "--jobs", str(jobs), *arguments)
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment.variables(self.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def enqueue(bench: Bench) -> dict[str, float]:
    """Calls one by one, no worker running."""
    calls = bench.sizes.calls
    took = bench.ask("enqueue", "--jobs", str(calls))
    return {"enqueue": calls / took["wall_s"], "enqueue_cpu": took["cpu_s"] * 1000 / calls}


def drain(bench: Bench) -> dict[str, float]:
    """A backlog is published, then a worker is started; the clock runs from the first to the last stored result.

    So the start of the worker is left out, and what it learns on the way (how large a batch may be, say) is not.
    """
    took = bench.ask("bulk", "--jobs", str(bench.backlog))
    with bench.watcher(bench.backlog) as watcher, bench.worker() as worker:
        worker.on_end(watcher.kill)
        first, cpu_then_s = _next_answer(watcher, worker), worker.cpu_s()
        last, cpu_now_s = _next_answer(watcher, worker), worker.cpu_s()
    bulk = {"bulk": took["jobs"] / took["wall_s"]}
    settled = last["stored"] - first["stored"]
    if not settled:
        return bulk  # all was done at the first look: rather no rate than a wrong one
    drained_per_s = settled / (last["at_s"] - first["at_s"])
    return bulk | {"drain": drained_per_s, "drain_cpu": (cpu_now_s - cpu_then_s) * 1000 / settled}


def sleeps(bench: Bench) -> dict[str, float]:
    """Jobs that wait, 100 at a time, in each kind of pool that the contestant has for them."""
    return {f"sleeps_{pool}": _sleeps_in(bench.afresh(), pool) for pool in bench.environment.contestant.pools}


def _sleeps_in(bench: Bench, pool: str) -> float:
    """Seconds from the start of the first job, which is one sleep before its result is stored, to the last result."""
    jobs = bench.sizes.sleeps
    bench.ask("sleeps", "--jobs", str(jobs), "--pool", pool)
    with (
        bench.watcher(jobs, "--look-s", str(_SLEEPS_LOOK_S)) as watcher,
        bench.worker("--pool", pool) as worker,
    ):
        worker.on_end(watcher.kill)
        first, last = _next_answer(watcher, worker), _next_answer(watcher, worker)
    return float(last["at_s"] - first["at_s"] + SLEEP_S)


def idle(bench: Bench) -> dict[str, float]:
    """Calls that wait for their results, one at a time; then nothing, and what the worker costs meanwhile."""
    with bench.worker("--waited-for") as worker:
        took_ms = bench.ask("round-trips", "--jobs", str(bench.sizes.round_trips))
        costs = watch_idle(worker, bench.sizes.idle_s)
    return {"round_trip_p50": percentile(took_ms, 50), "round_trip_p99": percentile(took_ms, 99), **costs}


def watch_idle(worker: Session, idle_s: float) -> dict[str, float]:
    """What a worker that has nothing to do costs."""
    time.sleep(_SETTLE_DOWN_S)
    cpu_then_s, then_s = worker.cpu_s(), time.monotonic()
    time.sleep(idle_s)
    cpu_s, passed_s = worker.cpu_s() - cpu_then_s, time.monotonic() - then_s
    pss_mib = worker.pss_mib()
    worker.check_alive()
    return {"idle_pss": pss_mib, "idle_cpu": 100 * cpu_s / passed_s}


def chords(bench: Bench) -> dict[str, float]:
    """Chords, one after the other, with a worker that runs already: from the call to the sum of its members."""
    with bench.worker("--waited-for"):
        took_ms = bench.ask("chords", "--jobs", str(bench.sizes.chord))
    return {"chord": percentile(took_ms, 50)}


def import_(bench: Bench) -> dict[str, float]:
    """Imports in fresh interpreters, bytecode compiled and files in the cache."""
    package, app = bench.environment.contestant.imports
    values: dict[str, float] = {}
    for name, statement in (("import", package), ("import_app", app)):
        code = _IMPORT.format(statement=statement)
        bench.environment.ask_python(code)  # compiles what is not compiled yet
        runs = [bench.environment.ask_python(code) for _ in range(_IMPORTS)]
        values[f"{name}_ms"], values[f"{name}_modules"] = percentile([ms for ms, _ in runs], 50), runs[0][1]
    return values


def _next_answer(watcher: subprocess.Popen[str], worker: Session) -> Any:
    line = watcher.stdout.readline() if watcher.stdout is not None else ""
    if line:
        return json.loads(line)
    worker.check_alive()
    raise RuntimeError(f"the watch over the store ended early:\n{watcher.communicate()[1]}")


SESSIONS: dict[str, Callable[[Bench], dict[str, float]]] = {
    "enqueue": enqueue,
    "drain": drain,
    "idle": idle,
    "sleeps": sleeps,
    "chords": chords,
    "import": import_,
}

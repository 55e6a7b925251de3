"""SIGKILL for parts of a worker, and how long it takes until all is as it was."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from tests.harness import processes
from tests.harness.ledger import Entry
from tests.harness.patience import eventually
from tests.harness.rig import Rig
from tests.harness.worker import Worker

Victim = Literal["a child", "the template", "the supervisor", "all"]
VICTIMS: tuple[Victim, ...] = get_args(Victim)

#: Where a process dies: before its settlement leaves it; when it has left, or in a database that we are the process of,
#: before the commit; when the store has carried it out, and its answer lies unread; and when the answer was read.
Point: TypeAlias = Literal["unsent", "sent", "stored", "answered"]
POINTS: Final[tuple[Point, ...]] = get_args(Point)

_WHOLE_WITHIN_S = 60.0


class Kill(NamedTuple):
    """One kill."""

    victim: Victim
    #: When (monotonic seconds).
    at_s: float
    #: The processes that ran jobs and did not live on.
    child_pids: frozenset[int]
    #: How long until the worker had a template and all its children again. Where the supervisor was killed,
    #: another was started at once, as the system's service manager does.
    whole_after_s: float


class Killer:
    """Keeps one worker running whose parts it kills. `how` is as for `Worker`."""

    def __init__(self, rig: Rig, *, children: int, **how: Any) -> None:
        self._rig, self._children, self._how = rig, children, how
        self.worker = self._start()
        self.worker.await_children(children)

    def kill(self, victim: Victim) -> Kill:
        """Kill it, and wait until the worker is whole again."""
        match victim:
            case "a child":
                child = self._busiest_child()
                processes.kill(child)
                struck = {child}
            case "the template":
                struck = set[int]()
                self._kill_template()
            case "the supervisor":
                struck = set(self.worker.child_pids())
                processes.kill(self.worker.pid)
            case "all":
                struck = set(self.worker.child_pids())
                processes.kill_tree(self.worker.pid)
        at_s = time.monotonic()
        if victim in {"the supervisor", "all"}:
            self.worker.wait()
            self.worker = self._start()
        eventually(lambda: self._is_whole_without(struck), within_s=_WHOLE_WITHIN_S, what="a whole worker")
        return Kill(victim, at_s, frozenset(struck), time.monotonic() - at_s)

    def _start(self) -> Worker:
        return self._rig.start_worker(worker_concurrency=self._children, **self._how)

    def _busiest_child(self) -> int:
        """The child that started a job last: most likely it still runs."""
        alive = self.worker.child_pids()
        starts = self._rig.ledger.entries()
        return next((entry.pid for entry in reversed(starts[-100:]) if entry.pid in alive), alive[0])

    def _kill_template(self) -> None:
        template = self.worker.template_pid()
        processes.kill(template)
        eventually(lambda: not processes.is_alive(template), what="the template's end")

    def _is_whole_without(self, struck: set[int]) -> bool:
        children = set(self.worker.child_pids()) - struck
        return len(children) == self._children and self.worker.has_template()


def seconds_to_run_again(kill: Kill, starts: Sequence[Entry]) -> list[float]:
    """Of the jobs that the kill interrupted: how long each took to start again."""
    before: dict[str, int] = {}
    again: dict[str, float] = {}
    for entry in starts:
        if entry.at_s <= kill.at_s:
            before[entry.job_id] = entry.pid
        elif before.get(entry.job_id) in kill.child_pids:
            again.setdefault(entry.job_id, entry.at_s - kill.at_s)
    return list(again.values())

"""Collects the deliveries of batch tasks until there are enough of them, or their time is up.

What is collected is held and not running: on the board the supervisor sees it, and it goes back when the child stops.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from treadle.worker.child.bundle import Bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treadle.job import Delivery
    from treadle.task import Batch
    from treadle.worker.board import Board
    from treadle.worker.child.desk import Desk

#: Collected jobs whose time is up go back when no slot gets free for so long: another child may have one.
_PATIENCE_S = 0.05


class Collector:
    """The batches of one child that are not complete yet. Used by its broker thread."""

    def __init__(self, batches: Mapping[str, Batch], desk: Desk, board: Board) -> None:
        self._batches, self._desk, self._board = batches, desk, board
        self._collected: dict[str, list[Delivery]] = {}
        #: When the jobs of a task are to be run, however few they are.
        self._due_s: dict[str, float] = {}
        #: Tasks whose jobs went back for want of a slot: next time they wait for nobody.
        self._overdue: set[str] = set()
        #: Whether asking for more than there are free slots brought in what was not wanted.
        self._is_sated = False
        #: How many deliveries are collected.
        self.count = 0

    def sift(self, deliveries: Sequence[Delivery], free: int) -> list[Delivery]:
        """Keep what belongs to batches; answers the others, of which `free` can be run.

        Suspects run alone, and verdicts are carried out one by one.
        """
        kept = [each for each in deliveries if each.task in self._batches and not (each.suspect or each.verdict)]
        if not kept:
            self._is_sated = True
            return list(deliveries)
        now_s = time.monotonic()
        for delivery in kept:
            group = self._collected.setdefault(delivery.task, [])
            if not group:
                self._due_s[delivery.task] = now_s + self._wait_s(delivery.task)
            group.append(delivery)
        self.count += len(kept)
        self._board.collect(kept)
        others = [each for each in deliveries if each.task not in self._batches or each.suspect or each.verdict]
        self._is_sated = len(others) > free
        return others

    def appetite(self) -> int:
        """How many more jobs the batches that are being collected can take."""
        if self._is_sated:
            return 0
        return sum(max(0, self._batches[task].size - len(group)) for task, group in self._collected.items())

    def start_due(self, free: int) -> None:
        """Hand out up to `free` batches that are complete, or whose time is up."""
        now_s = time.monotonic()
        for task in [task for task in self._collected if self._is_due(task, now_s)][: max(0, free)]:
            self._start(task, now_s)

    def take_late(self) -> list[Delivery]:
        """What has waited in vain for a slot. It is collected no more."""
        late_s = time.monotonic() - _PATIENCE_S
        late = [task for task in self._collected if self._due_s[task] <= late_s]
        self._overdue.update(late)
        return self._take(late)

    def take_all(self) -> list[Delivery]:
        """All that is collected. It is collected no more."""
        return self._take(list(self._collected))

    def next_event_s(self, at_most_s: float) -> float:
        """Seconds until the time of a batch is up, or until it has waited for a slot in vain."""
        now_s = time.monotonic()
        waits = [due_s - now_s if due_s > now_s else _PATIENCE_S for due_s in self._due_s.values()]
        return min(at_most_s, *waits) if waits else at_most_s

    def _wait_s(self, task: str) -> float:
        return 0.0 if task in self._overdue else self._batches[task].wait_s

    def _is_due(self, task: str, now_s: float) -> bool:
        return self._due_s[task] <= now_s or len(self._collected[task]) >= self._batches[task].size

    def _start(self, task: str, now_s: float) -> None:
        size = self._batches[task].size
        group, rest = self._collected[task][:size], self._collected[task][size:]
        span = self._board.members.write([each.id for each in group])
        if span is None:
            return  # the running batches fill the board; it is tried again when one has ended
        self._overdue.discard(task)
        if rest:
            self._collected[task], self._due_s[task] = rest, now_s + self._batches[task].wait_s
        else:
            del self._collected[task], self._due_s[task]
        self._forget(len(group))
        self._desk.put_bundle(Bundle(group, span))

    def _take(self, tasks: Sequence[str]) -> list[Delivery]:
        taken: list[Delivery] = []
        for task in tasks:
            taken += self._collected.pop(task)
            del self._due_s[task]
        if taken:
            self._forget(len(taken))
        return taken

    def _forget(self, count: int) -> None:
        self.count -= count
        self._is_sated = False
        self._board.recollect([each for group in self._collected.values() for each in group])

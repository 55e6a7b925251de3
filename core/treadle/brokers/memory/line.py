"""The jobs of one queue, in the order in which they are claimed."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from treadle.brokers.memory.entry import Entry

#: Larger priority first, then the store's sequence. The sequence also finds the job again.
_Place: TypeAlias = tuple[int, int]

_COMPACT_ABOVE = 64


class Line:
    """Queued jobs by place: a heap from which what left the queue is dropped when it comes to the top."""

    def __init__(self, queue: str, find: Callable[[int], Entry | None], *, suspects: bool) -> None:
        self._queue = queue
        self._find = find
        self._suspects = suspects
        self._heap: list[_Place] = []
        self._queued = 0

    def __len__(self) -> int:
        return self._queued

    def push(self, entry: Entry) -> None:
        """Put a queued job at its place."""
        heappush(self._heap, (-entry.priority, entry.seq))
        self._queued += 1

    def discard(self) -> None:
        """Note that one of the jobs has left; its place is dropped later."""
        self._queued -= 1
        if len(self._heap) > _COMPACT_ABOVE and len(self._heap) > 2 * self._queued:
            self._heap = [place for place in set(self._heap) if self._stands_at(place)]
            heapify(self._heap)

    def first(self) -> Entry | None:
        """The job at the head, which stays there."""
        while self._heap:
            entry = self._stands_at(self._heap[0])
            if entry is not None:
                return entry
            heappop(self._heap)
        return None

    def _stands_at(self, place: _Place) -> Entry | None:
        entry = self._find(place[1])
        if entry is None or entry.state != "queued" or entry.queue != self._queue:
            return None
        return entry if (-entry.priority, entry.suspect) == (place[0], self._suspects) else None


class Queue:
    """One queue: its two lines, whether it is paused, and how many of its jobs wait and run elsewhere."""

    def __init__(self, name: str, find: Callable[[int], Entry | None]) -> None:
        self.ordinary = Line(name, find, suspects=False)
        self.suspects = Line(name, find, suspects=True)
        self.paused = False
        self.scheduled = 0
        self.running = 0

    @property
    def queued(self) -> int:
        """How many jobs are queued, suspects included."""
        return len(self.ordinary) + len(self.suspects)

    def line_of(self, entry: Entry) -> Line:
        """The line in which the job stands when it is queued."""
        return self.suspects if entry.suspect else self.ordinary

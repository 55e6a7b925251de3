"""What the end of a job means to those that wait for it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator

from treadle.brokers.memory.entry import Entry
from treadle.brokers.memory.shelf import Shelf
from treadle.edges import Edge, Input, Standing, ending_of, is_unneeded

#: Edges that are followed in one step; the rest is left to the next steps.
MOST_EDGES = 500


class Tellings:
    """Ended jobs whose targets have not all been told yet, the first that ended first."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._owed: deque[Iterator[tuple[Entry, Edge]]] = deque()
        #: Place and id of what leads to each target.
        self._sources: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)

    def connect(self, source: Entry) -> None:
        """Let the targets of a new job know that they wait for one more, where its edges say so."""
        for edge in source.edges:
            target = self._shelf.entries[edge.target]
            self._sources[edge.target].append((edge.place, source.id))
            if edge.grows and target.state == "blocked":
                target.need += 1

    def sources_of(self, target: Entry, *, after: int, limit: int) -> list[Input]:
        """What became of the ended jobs that lead to this one, by their place."""
        found = sorted(self._sources.get(target.id, ()))
        begins = bisect_right(found, after, key=lambda source: source[0])
        entries = ((place, self._shelf.entries.get(id)) for place, id in found[begins : begins + limit])
        return [entry.as_input(place) for place, entry in entries if entry is not None and entry.is_final]

    def is_awaited(self, source: Entry) -> bool:
        """Whether somebody who has not ended yet waits for it, or may still ask for its outcome."""
        targets = (self._shelf.entries.get(edge.target) for edge in source.edges)
        return any(target is not None and not target.is_final for target in targets)

    def forget(self, entry: Entry) -> None:
        """Forget the edges of a job that is removed."""
        self._sources.pop(entry.id, None)

    def owe(self, source: Entry) -> None:
        """Remember that a job has ended whose targets wait to be told."""
        if source.edges and not source.is_told:
            source.is_told = True
            self._owed.append(iter([(source, edge) for edge in source.edges]))

    def tell(self) -> None:
        """Tell as many targets as one step may, also of what ends by that."""
        for _ in range(MOST_EDGES):
            following = self._next()
            if following is None:
                return
            self._follow(*following)

    def _next(self) -> tuple[Entry, Edge] | None:
        while self._owed:
            following = next(self._owed[0], None)
            if following is not None:
                return following
            self._owed.popleft()
        return None

    def _follow(self, source: Entry, edge: Edge) -> None:
        target = self._shelf.entries.get(edge.target)
        if target is None or target.state != "blocked":
            return
        ending = ending_of(source.state, source.reason)
        standing = target.need, target.spare = Standing(target.need, target.spare).after(edge.on, ending)
        if standing.is_free:
            self.free(target)
        elif standing.is_lost:
            self._shelf.lift(target)
            if is_unneeded(edge.on, ending):
                self._shelf.put_ended(target, "cancelled", "unneeded")
            else:
                target.error = source.error
                self._shelf.put_ended(target, "failed", "skipped")

    def free(self, target: Entry) -> None:
        """Let a blocked job go that needs nothing more."""
        self._shelf.lift(target)
        if target.is_join:
            self._shelf.put_ended(target, "succeeded")
        else:
            self._shelf.put_waiting(target, target.delay_ms, target.eta_ms)

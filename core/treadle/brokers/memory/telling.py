"""What the end of a job means to those that wait for it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

from treadle.brokers.memory.entry import Entry
from treadle.brokers.memory.shelf import Shelf
from treadle.edges import RESULT_PLACE, Edge, Input, Standing, ending_of, is_unneeded
from treadle.job import Job

#: Edges that are followed in one step; the rest is left to the next steps.
MOST_EDGES = 500


class Sources:
    """The jobs that lead to one target, by their place among its inputs."""

    def __init__(self) -> None:
        self._found: list[tuple[int, str]] = []
        self._is_sorted = True

    def add(self, place: int, source: str) -> None:
        """One more."""
        self._is_sorted = self._is_sorted and (not self._found or self._found[-1] <= (place, source))
        self._found.append((place, source))

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self._found)

    def behind(self, place: int, limit: int) -> list[tuple[int, str]]:
        """The first `limit` of those behind a place."""
        if not self._is_sorted:
            self._found.sort()
            self._is_sorted = True
        begins = bisect_right(self._found, place, key=lambda source: source[0])
        return self._found[begins : begins + limit]


class Tellings:
    """Ended jobs whose targets have not all been told yet, the first that ended first."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._owed: deque[Iterator[tuple[Entry, Edge]]] = deque()
        self._sources: defaultdict[str, Sources] = defaultdict(Sources)

    # Edges -----------------------------------------------------------------------------------------

    def connect(self, entry: Entry, job: Job) -> None:
        """Draw the edges of a new job that stands in its place already, and count what has ended."""
        for edge in job.edges:
            self._sources[edge.target].add(edge.place, entry.id)
            self._grow(edge)
        for source, place, on in job.after:
            self.lead(self._shelf.entries[source], Edge(entry.id, place, on))

    def lead(self, source: Entry, edge: Edge) -> None:
        """Draw an edge from a job that is known already, and may have ended."""
        source.edges = (*source.edges, edge)
        self._sources[edge.target].add(edge.place, source.id)
        if source.is_final:
            source.told = len(source.edges)
            self._follow(source, edge)

    def connect_again(self, entry: Entry, job: Job) -> None:
        """Draw those edges of a job that were not known of it when it was published before."""
        drawn = {(edge.target, edge.place) for edge in entry.edges}
        for edge in job.edges:
            if (edge.target, edge.place) not in drawn:
                self._grow(edge)
                self.lead(entry, edge)

    def _grow(self, edge: Edge) -> None:
        target = self._shelf.entries[edge.target]
        if edge.grows and target.state == "blocked":
            target.need += 1
            target.first_need += 1

    def inputs(self, target: Entry, *, after: int, limit: int) -> list[Input]:
        """What became of the ended jobs that lead to this one, by their place."""
        found = self._sources[target.id].behind(after, limit) if target.id in self._sources else []
        entries = ((place, self._shelf.entries.get(id)) for place, id in found)
        return [entry.as_input(place) for place, entry in entries if entry is not None and entry.is_final]

    def sources_of(self, target: Entry) -> Iterator[tuple[Entry, Edge]]:
        """The jobs whose ends count for it, and their edges to it."""
        for place, id in self._sources.get(target.id, ()):
            source = self._shelf.entries.get(id)
            if source is None or (target.is_replaced and place != RESULT_PLACE):
                continue
            for edge in source.edges:
                if edge.target == target.id and edge.place == place:
                    yield source, edge

    def is_awaited(self, source: Entry) -> bool:
        """Whether a job that has not ended waits for it, or may still ask for its outcome, be it through joins."""
        seen: set[str] = set()
        leads = [source]
        while leads:
            for edge in leads.pop().edges:
                target = self._shelf.entries.get(edge.target)
                if target is None or target.id in seen:
                    continue
                if not target.is_final:
                    return True
                seen.add(target.id)
                if target.is_join:
                    leads.append(target)
        return False

    def forget(self, entry: Entry) -> None:
        """Forget the edges of a job that is removed."""
        self._sources.pop(entry.id, None)

    # Telling ---------------------------------------------------------------------------------------

    def owe(self, source: Entry) -> None:
        """Remember that a job has ended whose targets wait to be told."""
        if source.told < len(source.edges):
            self._owed.append(iter([(source, edge) for edge in source.edges[source.told :]]))
            source.told = len(source.edges)

    def tell(self, most: int = MOST_EDGES) -> bool:
        """Tell as many targets as one step may, also of what ends by that; whether all have been told."""
        for _ in range(most):
            following = self._next()
            if following is None:
                return True
            self._follow(*following)
        return False

    def _next(self) -> tuple[Entry, Edge] | None:
        while self._owed:
            following = next(self._owed[0], None)
            if following is not None:
                return following
            self._owed.popleft()
        return None

    def _follow(self, source: Entry, edge: Edge) -> None:
        target = self._shelf.entries.get(edge.target)
        if target is None or target.state != "blocked" or (target.is_replaced and edge.place != RESULT_PLACE):
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
            if target.ttl_ms:
                target.live_for(target.ttl_ms, self._shelf.now_ms())
            self._shelf.put_waiting(target, target.delay_ms, target.eta_ms)

    # Again -----------------------------------------------------------------------------------------

    def restart(self, entries: Iterable[Entry]) -> list[Entry]:
        """Block again, as at first, those of these ended jobs that waited for others; answers the rest."""
        chosen = {entry.id: entry for entry in entries}
        for entry in chosen.values():
            entry.told = 0
        blocked = [entry for entry in chosen.values() if _waited(entry)]
        for entry in blocked:
            entry.need, entry.spare = entry.first_need, entry.first_spare
        for entry in blocked:
            self._shelf.lift(entry)
            entry.blank()
            self._shelf.put_blocked(entry)
        for entry in blocked:
            for source, edge in list(self.sources_of(entry)):
                if source.is_final and source.id not in chosen:
                    self._follow(source, edge)
        return [entry for entry in chosen.values() if not _waited(entry)]


def _waited(entry: Entry) -> bool:
    """Whether an ended job ended because of others, or was cancelled before it ran."""
    never_ran = entry.first_need > 0 and not entry.receipt and entry.reason != "expired"
    return entry.is_join or entry.reason in ("skipped", "unneeded") or never_ran

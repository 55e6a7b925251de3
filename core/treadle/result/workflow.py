"""A whole workflow, seen from outside: how far it is, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treadle.job import FINAL_STATES, State
from treadle.result.drawing import Style, draw

if TYPE_CHECKING:
    from treadle.interfaces import Broker, Node

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Progress:
    """How many jobs of a workflow are in each state, without the joins, which nobody runs."""

    states: Mapping[State, int]

    @property
    def total(self) -> int:
        """All of its jobs, as far as their records are kept."""
        return sum(self.states.values())

    @property
    def done(self) -> int:
        """Those that have ended, in whatever way."""
        return sum(self.states.get(state, 0) for state in FINAL_STATES)

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()) if count)
        return f"{self.done}/{self.total}" + (f" ({states})" if states else "")


class Workflow:
    """All jobs that were published as one workflow, and what they added to it since; by its id.

    That is the id of the handle which publishing it gave: of a chain's last step, a chord's body, or a group.
    """

    def __init__(self, id: str, store: Broker) -> None:
        self.id = id
        self._store = store

    def progress(self) -> Progress:
        """How far it is: one query, or one for each 500 jobs where the store cannot count."""
        return Progress(self._store.progress(self.id))

    def nodes(self) -> Iterator[Node]:
        """Its jobs and joins, and whom each leads to, in the order of storing."""
        page = self._store.nodes(self.id, limit=_PAGE)
        yield from page.nodes
        while page.next_cursor:
            page = self._store.nodes(self.id, limit=_PAGE, cursor=page.next_cursor)
            yield from page.nodes

    def cancel(self, terminate: bool = False) -> int:
        """Cancel all of its jobs that have not ended; how many. What runs is only not retried, unless `terminate`."""
        live = [node.id for node in self.nodes() if node.state not in FINAL_STATES]
        for at in range(0, len(live), _PAGE):
            self._store.cancel(live[at : at + _PAGE], terminate=terminate)
        return len(live)

    def retry(self) -> list[str]:
        """Run it again from where it did not succeed: the ids of the jobs that are queued for that.

        What succeeded is not run again; what was skipped waits as it did at first. Raises ConfigurationError for a
        workflow that was never stored as a whole, since its publisher died.
        """
        return self._store.restart(self.id)

    def forget(self) -> int:
        """Remove the records of its jobs that have ended from the store; how many. What others wait for stays."""
        ended = [node.id for node in self.nodes() if node.state in FINAL_STATES]
        return sum(len(self._store.delete(ended[at : at + _PAGE])) for at in range(0, len(ended), _PAGE))

    def draw(self, style: Style = "text") -> str:
        """A picture of it: a tree in `text`, or the source of one for Graphviz (`dot`) or `mermaid`."""
        return draw(list(self.nodes()), style)

    def __repr__(self) -> str:
        return f"<Workflow: {self.id}>"

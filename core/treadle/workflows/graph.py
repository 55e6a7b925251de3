"""What a signature becomes: nodes that wait, and edges that say for what. See docs/adr/0013-workflows.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from treadle.edges import After, Edge, On
from treadle.workflows.group import Feed
from treadle.workflows.signature import Signature

#: What joins and gates are called, where jobs have the names of their tasks.
JOIN: Final = "treadle.group"
GATE: Final = "treadle.gate"

#: What a node takes from its sources. A job: nothing, the value of its one source (`value`), or what failed (`error`).
#: A join: the list of its members' values (`list`) or outcomes (`outcomes`), or the value of the one (`value`).
Input: TypeAlias = Literal["", "value", "error", "list", "outcomes"]


@dataclass(slots=True)
class Node:
    """A step: a call of a task, or a join, which is done by the store alone."""

    id: str
    #: None: a join.
    call: Signature | None
    input: Input = ""
    #: How many edges to it must still count before it runs, and how many may turn out not to.
    need: int = 0
    spare: int = 0
    edges: list[Edge] = field(default_factory=list[Edge])
    #: For whose end it waits, beside those whose edges lead to it.
    after: list[After] = field(default_factory=list[After])
    #: A join that is held open, for members that are still to come.
    is_open: bool = False
    #: A join that its producer holds shut, and opens.
    is_gate: bool = False

    def wait_for(self, sources: Iterable[tuple[Node, int]], on: On, *, least: int | None = None) -> None:
        """Take an edge from each source, with its place; run when `least` of them count (None: all)."""
        total = 0
        for source, place in sources:
            source.edges.append(Edge(self.id, place, on))
            total += 1
        self.need = total if least is None else least
        self.spare = total - self.need


@dataclass(frozen=True, slots=True)
class Handle:
    """What a caller gets of it: the id of a job, or of a group and its members; and what it follows."""

    id: str
    task: str = ""
    #: None: a job.
    members: tuple[Handle, ...] | None = None
    parent: Handle | None = None


@dataclass(frozen=True, slots=True)
class Feeding:
    """Members of an open join that do not exist yet."""

    join: Node
    feed: Feed
    #: Options of the group, for members that do not say their own.
    defaults: dict[str, Any]
    #: What is to be called for each member that fails.
    errbacks: list[Signature]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole workflow. `nodes` are in the order in which they are stored: targets before their sources."""

    nodes: list[Node]
    #: What the whole ends with.
    end: Node
    handle: Handle | None
    feedings: list[Feeding]

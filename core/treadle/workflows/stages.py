"""How a graph is stored: whole, or in stages behind a gate.

What one step of a store can take is stored in one. Of a larger graph, or one whose members are still being made,
parts are known before others: were its producer to die, jobs would wait for ever for what was never stored. So each
job that waits for something of a later stage also waits for a gate, which the producer holds, and opens at the end;
a gate that nobody holds any more fails, and all that waits for it with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from treadle.edges import After
from treadle.workflows.graph import Node

#: Jobs that every store takes in one step.
MOST_NODES: Final = 200
#: Out-edges of a job that are stored with it; where there are more, each target brings its own.
_MOST_EDGES: Final = 50


def gate_of(id: str) -> Node:
    """A gate."""
    return Node(id, None, need=1, is_gate=True)


def staged(nodes: Sequence[Node], gate: Node) -> Iterator[list[Node]]:
    """The nodes in stages, for a gate that is stored before them."""
    ordered = _with_wide_ones_first(nodes)
    stages = [ordered[at : at + MOST_NODES] for at in range(0, len(ordered), MOST_NODES)]
    stage_of = {node.id: number for number, stage in enumerate(stages) for node in stage}
    for node in _early(ordered, stage_of):
        node.after.append(After(gate.id))
        if not node.is_open:  # which needs one thing more from the first
            node.need += 1
    yield from stages


def _early(nodes: Sequence[Node], stage_of: dict[str, int]) -> list[Node]:
    """Those that wait for something of a later stage, or for what is not there yet."""
    known = {node.id: node for node in nodes}
    found = {node.id: node for node in nodes if node.is_open}
    for node in nodes:
        for edge in node.edges:
            if edge.target in stage_of and stage_of[edge.target] < stage_of[node.id]:
                found[edge.target] = known[edge.target]
    return list(found.values())


def _with_wide_ones_first(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, targets before sources; but those that lead to very many before these, which name them."""
    known = {node.id: node for node in nodes}
    wide = [node for node in nodes if len(node.edges) > _MOST_EDGES]
    for node in wide:
        for edge in node.edges:
            if edge.target in known:
                known[edge.target].after.append(After(node.id, edge.place, edge.on))
        node.edges = [edge for edge in node.edges if edge.target not in known]
    wide_ids = {node.id for node in wide}
    return [*wide[::-1], *(node for node in nodes if node.id not in wide_ids)]

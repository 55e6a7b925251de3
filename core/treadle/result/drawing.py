"""Pictures of workflows: as a tree of text, for Graphviz, and for Mermaid."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from treadle.edges import Edge
from treadle.interfaces import Node
from treadle.workflows.graph import GATE

Style = Literal["text", "dot", "mermaid"]

#: More members of one kind than this are drawn as one.
_MOST_ALIKE = 12
_MARKS = {
    "succeeded": "+",
    "failed": "x",
    "cancelled": "-",
    "running": ">",
    "queued": ".",
    "scheduled": ".",
    "blocked": " ",
}
_COLORS = {"succeeded": "palegreen", "failed": "salmon", "cancelled": "lightgrey", "running": "lightskyblue"}


def draw(nodes: Sequence[Node], style: Style) -> str:
    """The picture of these nodes, without gates that have served."""
    shown = [node for node in nodes if not (node.task == GATE and node.state == "succeeded")]
    return {"text": _as_text, "dot": _as_dot, "mermaid": _as_mermaid}[style](shown)


def _as_text(nodes: Sequence[Node]) -> str:
    """A tree that reads from the ends of the workflow to what they wait for; what was drawn before is only named."""
    sources: dict[str, list[tuple[Node, Edge]]] = {node.id: [] for node in nodes}
    for node, edge in _edges(nodes):
        sources[edge.target].append((node, edge))
    lines: list[str] = []
    drawn: set[str] = set()
    ends = [node for node in nodes if not any(edge.target in sources for edge in node.edges)]
    # Not by recursion: a chain may be longer than the stack.
    pending: list[tuple[Node | str, str, int]] = [(end, "", 0) for end in reversed(ends)]
    while pending:
        node_or_sum, said, depth = pending.pop()
        if isinstance(node_or_sum, str):
            lines.append(f"    {'  ' * depth}{node_or_sum}")
            continue
        node = node_or_sum
        again = " (see above)" if node.id in drawn and sources[node.id] else ""
        lines.append(f"[{_MARKS[node.state]}] {'  ' * depth}{said}{_label(node)}{again}")
        if node.id not in drawn:
            drawn.add(node.id)
            pending += reversed(_below(sources[node.id], depth + 1))
    return "\n".join(lines)


def _below(sources: Sequence[tuple[Node, Edge]], depth: int) -> list[tuple[Node | str, str, int]]:
    """What a node waits for, by place; of very many the first ones, and what the others are."""
    found = sorted(sources, key=lambda source: source[1].place)
    shown = found if len(found) <= _MOST_ALIKE else found[: _MOST_ALIKE - 1]
    below: list[tuple[Node | str, str, int]] = [
        (node, "" if edge.on == "success" else f"on {edge.on}: ", depth) for node, edge in shown
    ]
    if len(shown) < len(found):
        below.append((f"... {_summed([node for node, _ in found[len(shown) :]])}", "", depth))
    return below


def _as_dot(nodes: Sequence[Node]) -> str:
    lines = ["digraph workflow {", "  rankdir=LR;", "  node [shape=box, style=filled, fillcolor=white];"]
    for node in nodes:
        shape = ", shape=ellipse" if node.is_join else ""
        color = _COLORS.get(node.state, "white")
        lines.append(f"  {json.dumps(node.id)} [label={json.dumps(_label(node))}, fillcolor={color}{shape}];")
    for node, edge in _edges(nodes):
        said = "" if edge.on == "success" else f" [label={json.dumps(edge.on)}, style=dashed]"
        lines.append(f"  {json.dumps(node.id)} -> {json.dumps(edge.target)}{said};")
    return "\n".join([*lines, "}"])


def _as_mermaid(nodes: Sequence[Node]) -> str:
    numbers = {node.id: f"n{number}" for number, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    for node in nodes:
        text = _label(node).replace('"', "#quot;")
        lines.append(f'  {numbers[node.id]}{"([" if node.is_join else "["}"{text}"{"])" if node.is_join else "]"}')
    for node, edge in _edges(nodes):
        arrow = "-->" if edge.on == "success" else f"-. {edge.on} .->"
        lines.append(f"  {numbers[node.id]} {arrow} {numbers[edge.target]}")
    return "\n".join(lines)


def _edges(nodes: Sequence[Node]) -> list[tuple[Node, Edge]]:
    known = {node.id for node in nodes}
    return [(node, edge) for node in nodes for edge in node.edges if edge.target in known]


def _label(node: Node) -> str:
    state = f"{node.state} ({node.reason})" if node.reason else node.state
    return f"{node.task} {node.id}: {state}"


def _summed(nodes: Sequence[Node]) -> str:
    states: dict[str, int] = {}
    for node in nodes:
        states[node.state] = states.get(node.state, 0) + 1
    return f"{len(nodes)} more: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items()))

"""Workflows in the store: what led to a job, whom a job leads to, how far the whole is, and running it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from treadle.answers import Node, NodePage
from treadle.brokers.redis.client import Client
from treadle.brokers.redis.records import ON_WORDS, STATES
from treadle.brokers.redis.wire import Command
from treadle.edges import Edge, Input
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.interfaces import MAX_RESTARTED
from treadle.job import State

#: Jobs that one script looks at.
_CHUNK = 500
#: Edges of a job that one command reads.
_EDGES = 1000
#: How often a restart begins anew, since somebody else left something owed.
_MAX_ATTEMPTS = 20


def inputs(client: Client, id: str, after: int, limit: int) -> list[Input]:
    """What became of the jobs that lead to this one, by their place; goes on behind those that have not ended."""
    found: list[Input] = []
    seen = 0
    while len(found) < limit:
        looked, rows = client.call("inputs", id, seen, after, _CHUNK, limit - len(found))
        found += map(_input, rows)
        seen += looked
        if looked < _CHUNK:
            break
    return found


def nodes(client: Client, workflow: str, limit: int, cursor: str) -> NodePage:
    """One page of the jobs of a workflow, with their edges."""
    limit = min(limit, _CHUNK - 1)
    rows = client.call("nodes", workflow, cursor or 0, limit + 1)
    edges = _edges(client, [row[1].decode() for row in rows[:limit] if row[8] == b"+"])
    found = [_node(row, edges.get(row[1].decode())) for row in rows[:limit] if row[3]]
    return NodePage(found, rows[limit - 1][0].decode() if len(rows) > limit else "")


def progress(client: Client, workflow: str) -> dict[State, int]:
    """How many jobs of a workflow are in each state, without those that were stored as joins."""
    states: Counter[State] = Counter()
    cursor = b"0"
    while rows := client.call("nodes", workflow, cursor, _CHUNK):
        states.update(STATES[row[3]] for row in rows if row[3] and row[5] != b"1")
        cursor = rows[-1][0]
    return dict(states)


def requeue(client: Client, ids: Sequence[str]) -> list[str]:
    """Queue final and scheduled jobs, 500 a step; answers which."""
    unique = list(dict.fromkeys(ids))
    queued: list[str] = []
    for at in range(0, len(unique), _CHUNK):
        while (answer := client.call("requeue", *unique[at : at + _CHUNK])) == 0:
            client.call("owed")
        queued += [id.decode() for id in answer]
    return queued


def restart(client: Client, workflow: str) -> list[str]:
    """Run a workflow again from where it did not succeed; answers what was queued. Raises ConfigurationError."""
    for _ in range(_MAX_ATTEMPTS):
        while client.call("owed"):
            pass
        lost = _lost(client, workflow)
        if len(lost) > MAX_RESTARTED:
            raise ConfigurationError(
                f"{len(lost)} jobs of workflow {workflow!r} did not succeed: {MAX_RESTARTED} at most can be restarted"
            )
        answer: list[Any] = client.call("restart", *lost) if lost else [1]
        status, *queued = answer
        if status < 0:
            raise ConfigurationError(
                f"workflow {workflow!r} was never stored as a whole, so it cannot be restarted: publish it again"
            )
        if status:
            return [id.decode() for id in queued]
    raise BrokerUnavailable(
        f"workflow {workflow!r} could not be restarted, as other jobs ended all the time: try again"
    )


def _lost(client: Client, workflow: str) -> list[str]:
    lost: list[str] = []
    cursor = b"0"
    while rows := client.call("nodes", workflow, cursor, _CHUNK):
        lost += [row[1].decode() for row in rows if row[3] in (b"f", b"c")]
        cursor = rows[-1][0]
    return lost


def _edges(client: Client, ids: Sequence[str]) -> dict[str, list[bytes]]:
    """The edges of jobs that have several."""
    found: dict[str, list[bytes]] = {id: [] for id in ids}
    left = list(ids)
    while left:
        ranges: list[Command] = [
            ("LRANGE", client.key(f"edges:{id}"), len(found[id]), len(found[id]) + _EDGES - 1) for id in left
        ]
        pages = dict(zip(left, client.run(ranges), strict=True))
        for id, page in pages.items():
            found[id] += page
        left = [id for id, page in pages.items() if len(page) == _EDGES]
    return found


def _input(row: list[Any]) -> Input:
    id, place, state, reason, result, error, is_join, options = row
    return Input(id.decode(), int(place), STATES[state], reason.decode(), result, error, bool(is_join), options)


def _node(row: list[Any], edges: list[bytes] | None) -> Node:
    _, id, task, state, reason, join, need, spare, edge = row
    drawn = edges if edges is not None else [edge] if edge else []
    return Node(
        id.decode(),
        task.decode(),
        STATES[state],
        reason.decode(),
        bool(join),
        int(need),
        int(spare),
        tuple(map(_edge, drawn)),
    )


def _edge(text: bytes) -> Edge:
    place, on, _, target = text.decode().split(" ", 3)
    return Edge(target, int(place), ON_WORDS[on])

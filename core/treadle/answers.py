"""What a broker is asked for, and what it answers. See `treadle.interfaces`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from treadle.edges import Edge
from treadle.job import Delivery, Record, State


class Claimed(NamedTuple):
    """The answer to a claim."""

    deliveries: list[Delivery]
    #: Suspects wait for an idle child: take nothing more, finish what runs, then claim with `idle=True`.
    suspects_wait: bool = False


class Settled(NamedTuple):
    """The answer to a settle: what was refused as stale, and the next deliveries if some were asked for."""

    #: Ids of settlements whose receipt was not the current one. They changed nothing; the store counted them.
    refused: list[str]
    claimed: Claimed


class CancelRequest(NamedTuple):
    """Somebody asked to cancel a job that is running under this consumer's lease."""

    id: str
    receipt: int
    #: True: interrupt the running code. False: only let it not be retried.
    terminate: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a `query` is about. None means any."""

    state: State | None = None
    queue: str | None = None
    task: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of records, newest first (by sequence; by end for a final state)."""

    records: list[Record]
    #: Pass it as `cursor` to get the next page; empty on the last one.
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many live jobs a queue holds, by state."""

    queued: int = 0
    scheduled: int = 0
    running: int = 0
    paused: bool = False
    #: Age of the oldest queued job, in milliseconds.
    oldest_ms: int = 0
    #: Wait for other jobs; joins, which nobody runs, are not counted.
    blocked: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """The truth in numbers. Final states count what retention has kept."""

    queues: Mapping[str, QueueCounts] = field(default_factory=dict[str, QueueCounts])
    final: Mapping[State, int] = field(default_factory=dict[State, int])
    #: Settlements, renewals and notes that were refused because their receipt was not current.
    stale_acks: int = 0
    #: Ids of the leases that are open.
    leases: tuple[str, ...] = ()


class Node(NamedTuple):
    """A job of a workflow, and whom it leads to."""

    id: str
    task: str
    state: State
    reason: str
    is_join: bool
    #: How many edges to it must still count before it may start, and how many may turn out not to.
    need: int
    spare: int
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class NodePage:
    """One page of a workflow's jobs, in the order in which they were stored."""

    nodes: list[Node]
    #: Pass it as `cursor` to get the next page; empty on the last one.
    next_cursor: str = ""

"""Workflows in Redis, by hand: jobs and edges without a planner, and a child that runs what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from treadle.brokers.redis import RedisBroker
from treadle.brokers.redis.client import Client
from treadle.edges import Edge, On
from treadle.job import Job
from treadle.settlement import Complete, Fail

NAMESPACE = "workflows"
#: More targets than one script tells.
MANY = 1200


class Worker:
    """One child that runs what there is."""

    def __init__(self, broker: RedisBroker, *queues: str) -> None:
        lease = f"w/{id(self)}"
        broker.open_lease(lease, 60)
        self.consumer = broker.consumer(lease, queues or ["q"])

    def run(self, *, fails: Sequence[str] = ()) -> list[str]:
        """Run all that can be run; the ids, in their order."""
        ran: list[str] = []
        while deliveries := self.consumer.claim(500, idle=True).deliveries:
            self.consumer.settle(
                [Fail(each, "error", b"json:why") if each.id in fails else Complete(each) for each in deliveries]
            )
            ran += [each.id for each in deliveries]
        return ran


def job(id: str, **fields: Any) -> Job:
    """A job of the queue `q`."""
    given: dict[str, Any] = {"queue": "q", **fields}
    return Job(id, "app.task", b"json:", **given)


def fan(source: str, targets: Sequence[str], *, on: On = "success", **fields: Any) -> list[Job]:
    """A job that leads to many; these first."""
    waiting = [job(id, need=1, **fields) for id in targets]
    return [*waiting, job(source, edges=tuple(Edge(id, 0, on) for id in targets))]


def chord(join: str, members: Sequence[str], *, need: int = 0, spare: int = 0) -> list[Job]:
    """Jobs that lead to a join, and this to a body."""
    leading = [job(id, edges=(Edge(join, place),), workflow="w") for place, id in enumerate(members)]
    end = job(join, need=need or len(members), spare=spare, is_join=True, edges=(Edge("body"),), workflow="w")
    return [job("body", need=1, workflow="w"), end, *leading]


def numbered(letter: str, count: int) -> list[str]:
    """So many ids."""
    return [f"{letter}{number:04}" for number in range(count)]


def states(broker: RedisBroker, ids: Sequence[str]) -> list[str]:
    """The states and reasons of jobs, as `failed skipped`."""
    records = broker.get(ids)
    return [f"{records[id].state} {records[id].reason}".strip() if id in records else "unknown" for id in ids]


def commands(server: Client) -> int:
    """How many commands the server has run, also within scripts."""
    lines = server.run([("INFO", "commandstats")])[0].decode().splitlines()
    return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in lines if "calls=" in line)

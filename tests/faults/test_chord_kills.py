"""SIGKILL at each step of the settlement of each part of a chord: nothing is stuck, and nothing happens twice."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import pytest

from tests.harness import Rig, processes
from tests.harness.client import Client
from tests.harness.kills import POINTS, Point
from treadle import AsyncResult, chord
from treadle.interfaces import Node

_TASKS = "tests.harness.workflow_tasks."
_VALUES = (1, 2, 4, 8)
_BODY, _ERRBACK = len(_VALUES), len(_VALUES) + 1


class Case(NamedTuple):
    """A chord, and where a process dies for it."""

    result: AsyncResult[Any]
    #: The place of the member, or `_BODY` or `_ERRBACK`.
    victim: int
    #: The place of what fails, or None.
    fails: int | None
    point: Point


@pytest.mark.parametrize("rig", ["sqlite", "redis"], indirect=True)
def test_a_chord_ends_once_wherever_in_its_settlements_a_process_dies(rig: Rig) -> None:
    """One worker serves all: of each chord one part dies, once, at one point of its settlement."""
    witness = rig.call_witness()
    # A child that held several outcomes would die for one and take the others along, before or after their points.
    rig.start_worker(app="tests.harness.workflow_tasks", worker_prefetch_multiplier=1)
    parts = [(victim, None) for victim in range(_BODY + 1)] + [(0, 0), (_BODY, _BODY), (_ERRBACK, 2), (_ERRBACK, _BODY)]
    cases = [
        Case(_publish(rig.client, victim, fails, point), victim, fails, point)
        for victim, fails in parts
        for point in POINTS
    ]

    rig.client.await_all_final([case.result for case in cases])
    nodes = [node for case in cases for node in _assert_ended_as_it_should(rig, case)]

    assert Counter(ending.job_id for ending in witness.endings()) == {node.id: 1 for node in nodes}
    deaths = Counter(entry.word for point in POINTS for entry in rig.ledger.entries(point))
    assert deaths == dict.fromkeys(POINTS, len(parts)), "one for each chord"
    assert set(Counter(entry.job_id for point in POINTS for entry in rig.ledger.entries(point)).values()) == {1}


@pytest.mark.parametrize("rig", ["sqlite", "redis"], indirect=True)
def test_a_member_that_was_cancelled_and_whose_process_dies_ends_its_chord(rig: Rig) -> None:
    """Its end is written by whoever declares the process dead, and that tells the others."""
    rig.start_worker(app="tests.harness.workflow_tasks")
    app = rig.client.app
    whole = chord([app.signature("tests.harness.app.never_ends")], app.signature(_TASKS + "total"), app=app)
    whole.link_error(app.signature(_TASKS + "alarm"))
    result = whole.apply_async()
    (member,) = result.parent.results
    victim = rig.ledger.await_entry("start", member.id)

    member.revoke()
    processes.kill(victim.pid)

    nodes = _ended(rig, result)
    assert {node.task.removeprefix(_TASKS): (node.state, node.reason) for node in nodes} == {
        "tests.harness.app.never_ends": ("cancelled", "revoked"),
        "treadle.group": ("failed", "skipped"),
        "total": ("failed", "skipped"),
        "alarm": ("succeeded", ""),
    }


def _publish(client: Client, victim: int, fails: int | None, point: Point) -> AsyncResult[Any]:
    def part(name: str, place: int, *args: int) -> Any:
        asked: dict[str, Any] = {"fails": True} if place == fails else {}
        return client.app.signature(_TASKS + name, args, asked | ({"dies": point} if place == victim else {}))

    members = [part("gives", place, value) for place, value in enumerate(_VALUES)]
    whole = chord(members, part("total", _BODY), app=client.app)
    whole.link_error(part("alarm", _ERRBACK))
    result: AsyncResult[Any] = whole.apply_async()
    return result


def _assert_ended_as_it_should(rig: Rig, case: Case) -> list[Node]:
    """The chord's value, its errback, and how often each part ran; all of its parts."""
    nodes = _ended(rig, case.result)
    task_of = {node.id: node.task.removeprefix(_TASKS) for node in nodes}
    states = Counter((task_of[node.id], node.state) for node in nodes)
    body = "succeeded" if case.fails is None else "failed"
    failed_members = int(case.fails is not None and case.fails < _BODY)
    assert states == +Counter(
        {
            ("gives", "succeeded"): len(_VALUES) - failed_members,
            ("gives", "failed"): failed_members,
            ("treadle.group", "failed" if failed_members else "succeeded"): 1,
            ("total", body): 1,
            ("alarm", "cancelled" if case.fails is None else "succeeded"): 1,
        }
    ), case
    if case.fails is None:
        assert case.result.get(timeout=5) == sum(_VALUES)
    starts = Counter(entry.job_id for entry in rig.ledger.entries() if entry.job_id in task_of)
    died = [entry.job_id for entry in rig.ledger.entries(case.point) if entry.job_id in task_of]
    assert len(died) == 1, "one part has died"
    assert starts[died[0]] in _starts(rig.store, case.point)
    return nodes


def _starts(store: str, point: Point) -> set[int]:
    """How often a part runs that has died there: again, unless its settlement counted."""
    if point == "sent":
        # What was sent to a server is carried out, unless others are faster to declare the sender dead.
        return {2} if store == "sqlite" else {1, 2}
    return {2} if point == "unsent" else {1}


def _ended(rig: Rig, result: AsyncResult[Any]) -> list[Node]:
    """All parts of a chord, as soon as all have ended: an errback does later than what it is called for."""
    rig.client.await_all_final([rig.client.app.AsyncResult(node.id) for node in result.workflow.nodes()])
    return list(result.workflow.nodes())

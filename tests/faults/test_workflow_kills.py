"""SIGKILL for parts of a worker at random moments while it runs random workflows."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.harness import Report, Rig, eventually
from tests.harness.kills import Kill, Killer, Victim
from tests.harness.workflows import FailedError, all_calls, interpreted, plain, workflows
from treadle import AsyncResult
from treadle.interfaces import Node
from treadle.job import FINAL_STATES
from treadle.workflows.graph import GATE
from treadle.workflows.signature import Signature

CHILDREN = 2
LEASE_S = 1.5
#: Each falls into a workflow of its own, and into what is left of those before it.
_VICTIMS: tuple[Victim, ...] = ("a child", "a child", "a child", "a child", "the supervisor", "all")
_FEWEST_CALLS, _MOST_CALLS = 8, 60


def test_random_workflows_end_once_as_the_interpreter_says_whoever_is_killed(
    rig: Rig, dice: random.Random, report: Report
) -> None:
    victims = dice.sample(_VICTIMS, len(_VICTIMS))
    graphs = random_workflows(dice, len(victims))
    witness = rig.call_witness()
    how = {"app": "tests.harness.workflow_tasks", "lease_s": LEASE_S, "worker_max_crashes": len(victims) + 1}
    killer = Killer(rig, children=CHILDREN, **how)

    results, kills = list[AsyncResult[Any]](), list[Kill]()
    for graph, victim in zip(graphs, victims, strict=True):
        graph.own_app = rig.client.app
        results.append(graph.apply_async())
        _await_random_moment(rig, dice, results)
        kills.append(killer.kill(victim))
    nodes = [node for result in results for node in _ended_nodes(rig, result)]

    for graph, result in zip(graphs, results, strict=True):
        _assert_as_interpreted(graph, result)
    endings = Counter(ending.job_id for ending in witness.endings())
    assert endings == {node.id: 1 for node in nodes}, "each is settled, and none twice"
    _assert_nothing_is_left_behind(rig, killer)
    row = {
        "store": rig.store,
        "workflows": len(results),
        "jobs and joins": len(nodes),
        "kills": len(kills),
        "not ended": sum(node.state not in FINAL_STATES for node in nodes),
        "settled twice": sum(times > 1 for times in endings.values()),
    }
    report.add("Random workflows, killed at random", row)


def random_workflows(dice: random.Random, count: int) -> list[Signature]:
    """Workflows of some size."""
    found: list[Signature] = []

    def is_large(whole: Signature) -> bool:
        return _FEWEST_CALLS <= len(all_calls(whole)) <= _MOST_CALLS

    @seed(dice.getrandbits(32))
    @settings(max_examples=2 * count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(workflows(max_leaves=60).filter(is_large))
    def collect(whole: Signature) -> None:
        found.append(whole)

    collect()
    assert len(found) >= count, "hypothesis found too few"
    return dice.sample(found, count)


def _await_random_moment(rig: Rig, dice: random.Random, results: list[AsyncResult[Any]]) -> None:
    """Wait for some more starts; or until there is nothing left to start."""
    moment = len(rig.ledger.entries()) + dice.randint(1, _FEWEST_CALLS)
    eventually(
        lambda: len(rig.ledger.entries()) >= moment or all(result.job().is_final for result in results),
        within_s=30.0,
        what=f"{moment} starts",
    )


def _ended_nodes(rig: Rig, result: AsyncResult[Any]) -> list[Node]:
    """All jobs and joins of a workflow, once all of them have ended.

    Whoever died between publishing its replacement and its own settlement leaves that behind a gate, which nobody
    opens: such a gate runs out after minutes, and is cancelled here as soon as nothing else goes on.
    """

    def have_ended() -> list[Node]:
        nodes = list(result.workflow.nodes())
        live = [node for node in nodes if node.state not in FINAL_STATES]
        if result.job().is_final and all(node.state == "blocked" for node in live):
            rig.client.app.broker.cancel([node.id for node in live if node.task == GATE])
        return [] if live else nodes

    return eventually(have_ended, within_s=30.0, what=f"the end of all of workflow {result.id}")


def _assert_as_interpreted(graph: Signature, result: AsyncResult[Any]) -> None:
    try:
        expected = interpreted(graph)
    except FailedError:
        assert result.job().state == "failed"
        with pytest.raises(FailedError):
            result.get(timeout=10)
    else:
        assert plain(result.get(timeout=10)) == expected


def _assert_nothing_is_left_behind(rig: Rig, killer: Killer) -> None:
    broker = rig.client.app.broker
    eventually(lambda: len(broker.counts().leases) == CHILDREN, within_s=15.0, what="the leases of the living only")
    assert killer.worker.stop() == 0
    counts = broker.counts()
    assert counts.leases == ()
    assert [(each.queued, each.scheduled, each.running) for each in counts.queues.values()] in ([], [(0, 0, 0)])

"""SIGKILL for a producer that publishes a large chord, or feeds one: what was stored of it ends."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

import pytest

from tests.harness import Rig
from tests.harness.patience import eventually
from tests.harness.producer import CHORD_ID, SIZE, run_producer
from treadle.exceptions import ChordError
from treadle.interfaces import Node
from treadle.job import FINAL_STATES
from treadle.workflows.graph import GATE

HOLD_S, LEASE_S = 2.0, 1.5
#: What a worker that runs a thousand jobs meanwhile, on a busy machine, may add to the hold and the time between two
#: of its looks for what ran out.
_PATIENCE_S = 15.0
#: In the first stages there is nothing that could be left behind; after the last all is.
_FEWEST = 600


@pytest.mark.parametrize("rig", ["sqlite", "redis"], indirect=True)
@pytest.mark.parametrize("kind", ["list", "generator"])
def test_what_a_killed_producer_stored_of_a_chord_ends(rig: Rig, kind: str, dice: random.Random) -> None:
    witness = rig.call_witness()
    members = dice.randint(_FEWEST, SIZE - 1)
    assert run_producer(rig.url, kind, members, hold_s=HOLD_S) == -signal.SIGKILL
    killed_s = time.monotonic()
    rig.start_worker(app="tests.harness.workflow_tasks", lease_s=LEASE_S)
    body = rig.client.app.AsyncResult(CHORD_ID)

    def ended() -> list[Node]:
        nodes = list(body.workflow.nodes())
        return nodes if all(node.state in FINAL_STATES for node in nodes) else []

    nodes = eventually(ended, within_s=HOLD_S + _PATIENCE_S, what="the end of all that was stored")
    print(f"{len(nodes)} nodes ended {time.monotonic() - killed_s:.1f} s after the kill")  # noqa: T201
    _assert_ended_as_given_up(nodes, members)
    assert (body.job().state, body.job().reason) == ("failed", "skipped")
    with pytest.raises(ChordError, match="never stored as a whole"):
        body.get(timeout=5)
    assert Counter(ending.job_id for ending in witness.endings()) == {node.id: 1 for node in nodes}


def _assert_ended_as_given_up(nodes: list[Node], members: int) -> None:
    """All members that were stored have run, and the errback; the gate, the join and the body have failed."""
    ends = Counter((node.task, node.state, node.reason) for node in nodes)
    stored = ends.pop(("tests.harness.app.add", "succeeded", ""))
    assert 0 < stored < members, "it was killed in the middle"
    assert ends == {
        (GATE, "failed", "skipped"): 1,
        ("treadle.group", "failed", "skipped"): 1,
        ("tests.harness.workflow_tasks.total", "failed", "skipped"): 1,
        ("tests.harness.workflow_tasks.alarm", "succeeded", ""): 1,
    }

"""SIGSTOP for longer than the lease, then SIGCONT: the proof that a stale worker changes nothing."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import Any

import pytest

from tests.harness import Report, Rig, eventually, processes
from treadle import chord

LEASE_S = 1.5
CHILDREN = 2


def test_children_stopped_beyond_their_lease_settle_too_late_and_are_refused(rig: Rig, report: Report) -> None:
    """The whole worker is stopped; its children go on first, so that nobody can kill them before they settle.

    By then one job has ended in other hands, and the other runs there.
    """
    witness = rig.call_witness()
    frozen = rig.start_worker(lease_s=LEASE_S)
    ended = rig.client.send("first_waits", rig.gate("gate"))
    running = rig.client.send("first_waits", rig.gate("gate"), rig.gate("second gate"))
    jobs = [ended, running]
    stale = [rig.ledger.await_entry("start", job.id).pid for job in jobs]
    stopped_s = _stop_tree(frozen.pid)
    rig.start_worker(lease_s=LEASE_S)
    fresh = [rig.ledger.await_entry("start", job.id, count=2) for job in jobs]
    before = [rig.client.await_state(ended), rig.client.await_state(running, "running")]
    assert not {entry.pid for entry in fresh} & set(stale)
    assert rig.client.app.broker.counts().stale_acks == 0

    rig.open("gate")
    for pid in stale:
        processes.kill(pid, signal.SIGCONT)
    eventually(lambda: rig.client.app.broker.counts().stale_acks == CHILDREN, what="the refused settlements")
    frozen.await_output("refused as late")
    assert rig.client.records(jobs) == before, "the late settlements must change nothing"

    rig.open("second gate")
    assert [job.get(timeout=10) for job in jobs] == [2, 2], "what counts is the run that was in time"
    endings = Counter(witness.endings())
    assert endings == {(job.id, "succeeded"): 1 for job in jobs}
    row = {
        "store": rig.store,
        "jobs held": len(jobs),
        "taken over after s": max(entry.at_s for entry in fresh) - stopped_s,
        "settled late": len(jobs),
        "refused": rig.client.app.broker.counts().stale_acks,
        "settled twice": sum(times > 1 for times in endings.values()),
    }
    report.add(f"A worker stopped beyond its lease of {LEASE_S} s, then continued", row)


def test_a_whole_worker_that_was_stopped_beyond_its_lease_goes_on_with_new_children(rig: Rig) -> None:
    witness = rig.call_witness()
    frozen = rig.start_worker(lease_s=LEASE_S)
    jobs = [rig.client.send("first_waits", rig.gate("gate")) for _ in range(CHILDREN)]
    stale = {rig.ledger.await_entry("start", job.id).pid for job in jobs}
    _stop_tree(frozen.pid)
    other = rig.start_worker(lease_s=LEASE_S)
    records = rig.client.await_all_final(jobs)
    assert other.stop() == 0

    rig.open("gate")
    os.killpg(frozen.pid, signal.SIGCONT)

    eventually(lambda: not any(map(processes.is_alive, stale)), what="the end of the children that lost their leases")
    frozen.await_children(CHILDREN)
    assert rig.client.send("add", 1, 2).get(timeout=10) == 3
    assert rig.client.records(jobs) == records
    assert max(Counter(ending.job_id for ending in witness.endings()).values()) == 1
    assert frozen.stop() == 0


def test_a_stopped_child_loses_its_job_to_its_sibling_and_is_replaced(rig: Rig) -> None:
    worker = rig.start_worker(lease_s=LEASE_S)
    job = rig.client.send("first_waits", rig.gate("gate"))
    stale = rig.ledger.await_entry("start", job.id)

    processes.kill(stale.pid, signal.SIGSTOP)
    rig.ledger.await_entry("start", job.id, count=2)
    record = rig.client.await_state(job)
    assert (record.state, record.attempt, record.crashes) == ("succeeded", 1, 0)

    processes.kill(stale.pid, signal.SIGCONT)
    eventually(lambda: not processes.is_alive(stale.pid), what="the end of the child that lost its lease")
    worker.await_children(CHILDREN)
    assert rig.client.send("add", 1, 2).get(timeout=10) == 3
    assert len(rig.ledger.entries("start", job.id)) == 2


def test_a_stop_shorter_than_the_lease_costs_nothing(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("until", rig.gate("gate"))
    child = rig.ledger.await_entry("start", job.id).pid

    processes.kill(child, signal.SIGSTOP)
    eventually(lambda: processes.is_stopped(child))
    other = rig.client.send("add", 1, 2)
    assert other.get(timeout=10) == 3
    processes.kill(child, signal.SIGCONT)
    rig.open("gate")

    record = rig.client.await_state(job)
    assert (record.state, record.attempt) == ("succeeded", 1)
    assert len(rig.ledger.entries("start", job.id)) == 1
    assert rig.client.app.broker.counts().stale_acks == 0


@pytest.mark.parametrize("rig", ["redis", "postgresql"], indirect=True)
def test_late_settlements_of_members_do_not_count_for_their_join(rig: Rig) -> None:
    """One member has ended in other hands, the other runs there: were the first counted twice, the join would end."""
    witness, app = rig.call_witness(), rig.client.app
    how: dict[str, Any] = {"app": "tests.harness.workflow_tasks", "lease_s": LEASE_S}
    frozen = rig.start_worker(**how)
    waits = app.signature("tests.harness.app.first_waits")
    gates = [[rig.gate("gate")], [rig.gate("gate"), rig.gate("second gate")]]
    body = app.signature("tests.harness.workflow_tasks.total")
    result = chord([waits.clone(each) for each in gates], body, app=app).apply_async()
    ended, running = result.parent.results
    stale = [rig.ledger.await_entry("start", member.id).pid for member in (ended, running)]
    _stop_tree(frozen.pid)
    rig.start_worker(**how)
    for member in (ended, running):
        rig.ledger.await_entry("start", member.id, count=2)
    rig.client.await_state(ended)
    rig.client.await_state(running, "running")
    before = list(result.workflow.nodes())
    assert [(node.state, node.need) for node in before if node.is_join] == [("blocked", 1)]

    rig.open("gate")
    for pid in stale:
        processes.kill(pid, signal.SIGCONT)
    eventually(lambda: app.broker.counts().stale_acks == CHILDREN, what="the refused settlements")
    assert list(result.workflow.nodes()) == before, "the late settlements must change nothing"

    rig.open("second gate")
    assert result.get(timeout=15) == 2 + 2, "what counts are the runs that were in time"
    assert Counter(ending.job_id for ending in witness.endings()) == {node.id: 1 for node in before}
    assert len(rig.ledger.entries("start", result.id)) == 1


def _stop_tree(leader: int) -> float:
    """Stop all processes of a worker; when that was."""
    os.killpg(leader, signal.SIGSTOP)
    return time.monotonic()

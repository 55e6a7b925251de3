"""SIGKILL for a child that runs a batch, and for one that collects it."""

from __future__ import annotations

import pytest

from tests.harness import Rig, processes


@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio"])
def test_the_jobs_of_a_killed_batch_run_alone_and_each_ends_once(rig: Rig, pool: str) -> None:
    witness = rig.call_witness()
    jobs = rig.client.send_many("batch_that_hangs_once", [(number,) for number in range(10)])
    rig.start_worker(worker_pool=pool, worker_concurrency=1)
    victim = rig.ledger.await_entry("start", count=10)

    processes.kill(victim.pid)

    records = rig.client.await_all_final(jobs)
    assert [(record.state, record.attempt, record.crashes) for record in records] == [("succeeded", 1, 0)] * 10
    assert [job.get(timeout=1) for job in jobs] == [1] * 10
    assert len(rig.ledger.entries("batch-of-10")) == 1
    assert len(rig.ledger.entries("batch-of-1")) == 10
    assert sorted(ending.job_id for ending in witness.endings()) == sorted(job.id for job in jobs)


def test_what_a_killed_child_had_collected_is_neither_lost_nor_charged_nor_suspect(rig: Rig) -> None:
    witness = rig.call_witness()
    jobs = rig.client.send_many("batch_that_hangs_once", [(number,) for number in range(9)])
    worker = rig.start_worker(worker_concurrency=1)
    for job in jobs:
        rig.client.await_state(job, "running")

    processes.kill(worker.await_children(1)[0])
    jobs.append(rig.client.send("batch_that_hangs_once", 9))

    # All ten together once more: none of them is suspect.
    victim = rig.ledger.await_entry("batch-of-10")
    processes.kill(victim.pid)
    records = rig.client.await_all_final(jobs)
    assert [(record.state, record.attempt, record.crashes) for record in records] == [("succeeded", 1, 0)] * 10
    assert sorted(ending.job_id for ending in witness.endings()) == sorted(job.id for job in jobs)

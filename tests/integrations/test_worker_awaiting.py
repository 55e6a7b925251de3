"""A task that awaits another job gives its slot back meanwhile."""

from __future__ import annotations

import pytest

from tests.harness import ON_SQLITE, Rig, processes

POOLS = ("prefork", "threads", "asyncio", "solo")


@pytest.mark.parametrize("task", ["add", "aadd"])
@pytest.mark.parametrize("pool", POOLS)
def test_one_slot_is_enough_to_await_a_job_that_the_same_worker_runs(rig: Rig, pool: str, task: str) -> None:
    worker = rig.start_worker(worker_pool=pool, worker_concurrency=1)

    assert rig.client.send("awaits", task, 20, 1).get(timeout=15) == 21
    assert worker.stop() == 0


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_jobs_that_await_one_another_in_a_long_line_all_end(rig: Rig, pool: str) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    assert rig.client.send("climbs", 30).get(timeout=30) == 30


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_a_job_may_await_many_at_once(rig: Rig, pool: str) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    several = rig.client.send_many("awaits_many", [(20,) for _ in range(3)])
    assert [job.get(timeout=30) for job in several] == [sum(range(1, 21))] * 3


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_a_batch_may_await_jobs_too(rig: Rig, pool: str) -> None:
    jobs = rig.client.send_many("batch_that_awaits", [(number, 1) for number in range(3)])
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    assert [job.get(timeout=15) for job in jobs] == [1, 2, 3]


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_a_child_that_retires_after_one_job_still_runs_what_that_one_awaits(rig: Rig, pool: str) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=1, worker_max_tasks_per_child=1)

    assert rig.client.send("climbs", 3).get(timeout=20) == 3


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_the_soft_limit_reaches_a_job_that_waits(rig: Rig, pool: str) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=1)
    far = rig.client.send("add", 1, 2, countdown=3600)

    job = rig.client.send("awaits_what_never_ends", far.id, soft_time_limit=0.5)

    record = rig.client.await_state(job)
    assert (record.state, record.reason) == ("failed", "error")
    assert "SoftTimeLimitExceeded" in repr(job.get(timeout=1, propagate=False))
    rig.ledger.await_entry("cleaned", job.id)


@ON_SQLITE
@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio"])
def test_the_hard_limit_reaches_a_job_that_waits(rig: Rig, pool: str) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=1)
    far = rig.client.send("add", 1, 2, countdown=3600)

    job = rig.client.send("awaits_what_never_ends", far.id, time_limit=1)

    record = rig.client.await_state(job)
    assert (record.state, record.reason) == ("failed", "time_limit")


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_a_job_that_waits_at_the_end_of_the_grace_time_goes_back_uncharged(rig: Rig, pool: str) -> None:
    worker = rig.start_worker(worker_pool=pool, worker_concurrency=1, worker_grace_s=0.5)
    far = rig.client.send("add", 1, 2, countdown=3600)
    job = rig.client.send("awaits_what_never_ends", far.id)
    rig.ledger.await_entry("start", job.id)
    assert rig.client.send("add", 1, 2).get(timeout=15) == 3, "the slot is free"

    assert worker.stop() == 0
    (record,) = rig.client.records([job])
    assert (record.state, record.attempt) == ("queued", 0)


@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio"])
def test_who_waits_and_who_runs_are_both_suspects_when_the_child_dies(rig: Rig, pool: str) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=1)
    parent = rig.client.send("awaits", "until", rig.gate("gate"))
    victim = rig.ledger.await_entry("start", count=2)
    awaited = next(entry.job_id for entry in rig.ledger.entries("start") if entry.job_id != parent.id)

    processes.kill(victim.pid)
    rig.open("gate")

    for job in (parent, rig.client.app.AsyncResult(awaited)):
        record = rig.client.await_state(job)
        assert (record.state, record.attempt, record.crashes) == ("succeeded", 1, 0)


@ON_SQLITE
@pytest.mark.timeout(150)
@pytest.mark.parametrize("pool", ["prefork", "asyncio"])
def test_a_job_that_makes_and_awaits_killers_does_not_run_for_ever(rig: Rig, pool: str) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    parent = rig.client.send("awaits", "exits", 3)

    error = parent.get(timeout=120, propagate=False)
    assert "exited with code 3" in str(error)
    made = [entry for entry in rig.ledger.entries() if entry.job_id != parent.id]
    records = rig.client.await_all_final([rig.client.app.AsyncResult(entry.job_id) for entry in made])
    assert {(record.state, record.reason) for record in records} == {("failed", "crashed")}

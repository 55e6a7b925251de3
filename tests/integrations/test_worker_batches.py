"""Batch tasks: one call for many jobs, each of which ends on its own."""

from __future__ import annotations

import pytest

from tests.harness import ON_SQLITE, Rig

POOLS = ("prefork", "threads", "asyncio", "solo")


def sizes(rig: Rig) -> list[int]:
    """How many jobs each call got, smallest first."""
    return sorted(size for size in range(1, 100) for _ in rig.ledger.entries(f"batch-of-{size}"))


@pytest.mark.parametrize("task", ["batch", "abatch"])
@pytest.mark.parametrize("pool", POOLS)
def test_one_call_runs_a_full_batch(rig: Rig, pool: str, task: str) -> None:
    jobs = rig.client.send_many(task, [(number,) for number in range(20)])
    worker = rig.start_worker(worker_pool=pool, worker_concurrency=1)

    assert [job.get(timeout=15) for job in jobs] == [2 * number for number in range(20)]
    assert sizes(rig) == [20]
    assert worker.stop() == 0


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_a_batch_that_does_not_fill_up_is_run_when_its_time_is_up(rig: Rig, pool: str) -> None:
    jobs = rig.client.send_many("batch", [(number,) for number in range(23)])
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    assert [job.get(timeout=15) for job in jobs] == [2 * number for number in range(23)]
    assert sizes(rig) == [3, 20]


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("task", ["batch", "abatch"])
def test_an_error_among_the_outcomes_fails_that_job_alone(rig: Rig, pool: str, task: str) -> None:
    good, bad, other = rig.client.send_many(task, [(1,), ("raise",), (2,)])
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    assert [good.get(timeout=15), other.get(timeout=15)] == [2, 4]
    assert isinstance(bad.get(timeout=15, propagate=False), ValueError)
    assert rig.client.await_state(bad).reason == "error"
    assert sizes(rig) == [3]


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_what_the_call_raises_each_job_gets_through_its_own_retry_decision(rig: Rig, pool: str) -> None:
    jobs = rig.client.send_many("batch_that_retries", [("raise all",), (1,)])
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    records = rig.client.await_all_final(jobs)
    assert [(record.state, record.reason, record.attempt) for record in records] == [("failed", "exhausted", 2)] * 2


@ON_SQLITE
def test_an_answer_of_the_wrong_length_fails_every_job_and_says_so(rig: Rig) -> None:
    jobs = rig.client.send_many("batch", [(1,), ("too few",), (2,)])
    rig.start_worker(worker_concurrency=1)

    assert {record.state for record in rig.client.await_all_final(jobs)} == {"failed"}
    for job in jobs:
        assert "2 outcomes for 3 jobs" in str(job.get(timeout=1, propagate=False))


@pytest.mark.parametrize("pool", POOLS)
def test_a_child_that_collects_runs_other_jobs_and_gives_back_what_it_collected(rig: Rig, pool: str) -> None:
    collected = rig.client.send_many("patient_batch", [(number,) for number in range(3)])
    worker = rig.start_worker(worker_pool=pool, worker_concurrency=1)
    for job in collected:
        rig.client.await_state(job, "running")

    assert rig.client.send("add", 1, 2).get(timeout=15) == 3
    assert worker.stop() == 0
    records = rig.client.records(collected)
    assert [(record.state, record.attempt) for record in records] == [("queued", 0)] * 3
    assert not sizes(rig)


@pytest.mark.parametrize("pool", POOLS)
def test_cancelling_a_job_of_a_running_batch_tells_it_and_lets_the_others_run(rig: Rig, pool: str) -> None:
    jobs = rig.client.send_many("batch_until", [(rig.gate("gate"),) for _ in range(10)])
    rig.start_worker(worker_pool=pool, worker_concurrency=1)
    rig.ledger.await_entry("start", count=10)

    jobs[3].revoke(terminate=True)
    rig.ledger.await_entry("told", jobs[3].id)
    rig.open("gate")
    rig.client.await_all_final(jobs)
    assert [job.get(timeout=1) for job in jobs] == [number == 3 for number in range(10)]


@ON_SQLITE
def test_each_job_of_a_batch_has_progress_of_its_own(rig: Rig) -> None:
    jobs = rig.client.send_many("batch_that_reports", [(rig.gate("gate"),) for _ in range(3)])
    rig.start_worker(worker_concurrency=1)
    rig.ledger.await_entry("start", count=3)

    assert [(job.state, job.info) for job in jobs] == [("BAKING", {"number": number}) for number in range(3)]
    rig.open("gate")
    assert {record.state for record in rig.client.await_all_final(jobs)} == {"succeeded"}


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_the_soft_limit_is_for_the_whole_call(rig: Rig, pool: str) -> None:
    jobs = rig.client.send_many("batch_with_a_soft_limit", [() for _ in range(3)])
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    assert [job.get(timeout=15) for job in jobs] == ["cleaned"] * 3


@ON_SQLITE
@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio"])
def test_after_the_hard_limit_of_a_batch_each_of_its_jobs_runs_alone(rig: Rig, pool: str) -> None:
    jobs = [rig.client.send("hangs_in_company", time_limit=1.0) for _ in range(3)]
    rig.start_worker(worker_pool=pool, worker_concurrency=1)

    records = rig.client.await_all_final(jobs)
    assert [(record.state, record.crashes) for record in records] == [("succeeded", 0)] * 3
    assert sizes(rig) == [1, 1, 1, 3]


@ON_SQLITE
def test_a_running_batch_ends_within_the_grace_time(rig: Rig) -> None:
    jobs = rig.client.send_many("batch_until", [(rig.gate("gate"),) for _ in range(10)])
    worker = rig.start_worker(worker_concurrency=1)
    rig.ledger.await_entry("start", count=10)

    worker.terminate()
    worker.await_output("stopping")
    rig.open("gate")
    assert worker.wait() == 0
    assert {record.state for record in rig.client.records(jobs)} == {"succeeded"}


@ON_SQLITE
@pytest.mark.parametrize("pool", POOLS)
def test_a_batch_that_outlasts_the_grace_time_goes_back_uncharged(rig: Rig, pool: str) -> None:
    jobs = rig.client.send_many("batch_until", [(rig.gate("gate"),) for _ in range(10)])
    worker = rig.start_worker(worker_pool=pool, worker_concurrency=1, worker_grace_s=0.2)
    rig.ledger.await_entry("start", count=10)

    assert worker.stop() == 0
    assert [(record.state, record.attempt) for record in rig.client.records(jobs)] == [("queued", 0)] * 10

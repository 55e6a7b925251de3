"""Time limits and cancellation of running jobs, in each pool."""

from __future__ import annotations

import pytest

from tests.harness import ON_SQLITE, Rig
from treadle.exceptions import JobCancelled, SoftTimeLimitExceeded, TimeLimitExceeded

SOFT = [
    ("prefork", "cleans_up"),
    ("prefork", "acleans_up"),
    ("threads", "cleans_up"),
    ("threads", "acleans_up"),
    ("asyncio", "acleans_up"),
    ("asyncio", "cleans_up"),
    ("solo", "cleans_up"),
]
CANCELLABLE = [
    ("prefork", "never_ends"),
    ("prefork", "anever_ends"),
    ("threads", "never_ends"),
    ("threads", "anever_ends"),
    ("asyncio", "anever_ends"),
    ("asyncio", "never_ends"),
    ("solo", "never_ends"),
]


@ON_SQLITE
@pytest.mark.parametrize(("pool", "task"), SOFT)
def test_a_soft_limit_lets_the_task_clean_up(rig: Rig, pool: str, task: str) -> None:
    rig.start_worker(worker_pool=pool)
    job = rig.client.send(task, soft_time_limit=0.3)

    record = rig.client.await_state(job)

    started, cleaned = rig.ledger.entries("start", job.id), rig.ledger.entries("cleaned", job.id)
    assert (len(started), len(cleaned)) == (1, 1)
    assert 0.2 < cleaned[0].at_s - started[0].at_s < 3.0
    # A function that catches the exception ends as it likes; a coroutine hands its cancellation on.
    assert (record.state, record.reason) == (("succeeded", "") if task == "cleans_up" else ("failed", "error"))


@pytest.mark.parametrize(
    ("pool", "task"),
    [(pool, "never_ends") for pool in ("prefork", "threads", "asyncio", "solo")] + [("asyncio", "anever_ends")],
)
def test_a_soft_limit_that_is_not_caught_fails_the_job_and_the_process_goes_on(rig: Rig, pool: str, task: str) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=1)
    job = rig.client.send(task, soft_time_limit=0.2)

    with pytest.raises(SoftTimeLimitExceeded):
        job.get(timeout=15)

    after = rig.client.send("work", 1)
    assert after.get(timeout=10) == rig.ledger.entries("start", job.id)[0].pid


@pytest.mark.parametrize(
    ("pool", "task", "neighbour"),
    [
        ("prefork", "never_ends", "first_waits"),
        ("threads", "never_ends", "first_waits"),
        ("asyncio", "anever_ends", "auntil"),
    ],
)
def test_a_hard_limit_kills_and_neighbours_are_released_uncharged(
    rig: Rig, pool: str, task: str, neighbour: str
) -> None:
    rig.start_worker(worker_pool=pool)
    beside = rig.client.send(neighbour, rig.gate("gate"))
    rig.ledger.await_entry("start", beside.id)
    job = rig.client.send(task, time_limit=0.5)

    record = rig.client.await_state(job)
    rig.open("gate")

    assert (record.state, record.reason, record.attempt) == ("failed", "time_limit", 1)
    assert len(rig.ledger.entries("start", job.id)) == 1
    with pytest.raises(TimeLimitExceeded):
        job.get(timeout=1)
    other = rig.client.await_state(beside)
    assert (other.state, other.attempt, other.crashes) == ("succeeded", 1, 0)
    assert rig.client.send("add", 1, 2).get(timeout=10) == 3


def test_a_hard_limit_ends_through_the_hooks_of_the_task(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("watched", "hang", time_limit=0.5)

    assert rig.client.await_state(job).reason == "time_limit"

    assert len(rig.ledger.entries("on_failure:TimeLimitExceeded", job.id)) == 1
    assert len(rig.ledger.entries("after_return:FAILURE", job.id)) == 1


@pytest.mark.parametrize(("pool", "task"), CANCELLABLE)
def test_a_running_job_is_terminated_on_request(rig: Rig, pool: str, task: str) -> None:
    rig.start_worker(worker_pool=pool)
    job = rig.client.send(task)
    rig.ledger.await_entry("start", job.id)

    job.revoke(terminate=True)

    record = rig.client.await_state(job)
    assert (record.state, record.reason) == ("cancelled", "revoked")
    with pytest.raises(JobCancelled):
        job.get(timeout=1)
    assert rig.client.send("add", 1, 2).get(timeout=10) == 3
    assert len(rig.ledger.entries("start", job.id)) == 1


def test_a_revoked_job_that_runs_is_let_finish_unless_it_is_terminated(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("until", rig.gate("gate"))
    rig.ledger.await_entry("start", job.id)

    job.revoke()
    rig.open("gate")

    assert job.get(timeout=10) == "opened"


def test_a_job_revoked_while_it_waits_never_starts(rig: Rig) -> None:
    job = rig.client.send("add", 1, 2)
    job.revoke()
    rig.start_worker()

    assert rig.client.send("add", 1, 2).get(timeout=15) == 3
    assert rig.client.await_state(job).state == "cancelled"
    assert not rig.ledger.entries("start", job.id)


@ON_SQLITE
def test_solo_refuses_a_hard_limit_that_comes_with_the_job(rig: Rig) -> None:
    rig.start_worker(worker_pool="solo")
    job = rig.client.send("never_ends", time_limit=0.5)

    record = rig.client.await_state(job, "failed")

    assert record.reason == "rejected"
    assert b"solo pool cannot enforce" in record.error
    assert rig.ledger.entries("start", job.id) == []

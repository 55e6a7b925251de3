"""What a worker does with ordinary jobs: outcomes, hooks, retries, progress, queues and priorities."""

from __future__ import annotations

import pytest

from tests.harness import ON_SQLITE, Ledger, Rig, eventually

ROUND_TRIP_S = 10


def test_hooks_of_a_success_are_called_in_order(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("watched", "fine")

    assert job.get(timeout=15) == "fine"

    assert _words(rig.ledger, job.id) == ["before_start", "start", "on_success", "after_return:SUCCESS"]


def test_hooks_of_a_failure_are_called_in_order(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("watched", "raise")

    with pytest.raises(ValueError, match="raise"):
        job.get(timeout=15)

    assert _words(rig.ledger, job.id) == ["before_start", "start", "on_failure:ValueError", "after_return:FAILURE"]
    assert (job.state, job.job().reason) == ("FAILURE", "error")
    assert "in watched" in (job.traceback or "")


def test_a_task_that_retries_itself_is_charged_for_each_run(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("retries_itself", 2)

    assert job.get(timeout=15) == 2

    again = ["before_start", "start", "on_retry:ValueError", "after_return:RETRY"]
    assert _words(rig.ledger, job.id) == [*again, *again, "before_start", "start", "on_success", "after_return:SUCCESS"]
    assert job.job().attempt == 3


def test_a_task_that_used_up_its_retries_fails_with_its_own_error(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("retries_itself", 9)

    with pytest.raises(ValueError, match="not yet: 2"):
        job.get(timeout=15)

    assert (job.job().reason, job.job().attempt) == ("exhausted", 3)
    assert len(rig.ledger.entries("start", job.id)) == 3


def test_automatic_retries_back_off(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("retries_by_itself")

    with pytest.raises(KeyError):
        job.get(timeout=15)

    starts = [entry.at_s for entry in rig.ledger.entries("start", job.id)]
    assert len(starts) == 3
    assert starts[1] - starts[0] >= 0.09
    assert starts[2] - starts[1] >= 0.19
    assert job.job().reason == "exhausted"


def test_progress_is_seen_while_the_job_runs(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("reports", rig.gate("gate"))
    rig.ledger.await_entry("start", job.id)

    assert (job.state, job.info) == ("BAKING", {"percent": 40})

    rig.open("gate")
    assert job.get(timeout=ROUND_TRIP_S) == "baked"
    assert (job.state, job.info) == ("SUCCESS", "baked")


def test_a_running_job_without_progress_is_started(rig: Rig) -> None:
    rig.start_worker()
    job = rig.client.send("until", rig.gate("gate"))
    rig.ledger.await_entry("start", job.id)

    assert job.state == "STARTED"
    rig.open("gate")
    assert job.get(timeout=ROUND_TRIP_S) == "opened"


def test_ignore_ends_a_job_well_and_reject_ends_it_badly(rig: Rig) -> None:
    rig.start_worker()
    ignored, rejected = rig.client.send("ignores"), rig.client.send("rejects")

    assert ignored.get(timeout=15) is None
    record = rig.client.await_state(rejected)
    assert (record.state, record.reason) == ("failed", "rejected")


@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio", "solo"])
def test_a_task_without_bind_can_ask_which_job_it_is(rig: Rig, pool: str) -> None:
    rig.start_worker(worker_pool=pool)

    jobs = {rig.client.send("tells_who_it_is", "me"): None for _ in range(20)}

    for job in jobs:
        assert job.get(timeout=15) == [job.id, "tests.harness.app.tells_who_it_is", "default"]


@ON_SQLITE
def test_signals_are_sent_in_the_worker(rig: Rig) -> None:
    rig.start_worker(app="tests.harness.signalling")
    good, bad = rig.client.send("add", 1, 2), rig.client.send("watched", "raise")
    rig.client.await_all_final([good, bad])

    assert [len(rig.ledger.entries(word, good.id)) for word in ("prerun", "success", "postrun:SUCCESS")] == [1, 1, 1]
    assert [len(rig.ledger.entries(word, bad.id)) for word in ("prerun", "failure", "postrun:FAILURE")] == [1, 1, 1]


def test_a_larger_priority_runs_first(rig: Rig) -> None:
    jobs = {priority: rig.client.send("add", 1, 2, priority=priority) for priority in (0, -100, 7, 100, -3)}
    rig.start_worker(worker_concurrency=1)
    rig.client.await_all_final(jobs.values())

    order = {entry.job_id: place for place, entry in enumerate(rig.ledger.entries())}
    assert sorted(jobs, key=lambda priority: order[jobs[priority].id]) == [100, 7, 0, -3, -100]


def test_a_worker_takes_only_from_the_queues_it_was_given(rig: Rig) -> None:
    rig.start_worker(arguments=["-Q", "mail,reports", "-X", "reports"])
    jobs = {queue: rig.client.send("tells_who_it_is", queue, queue=queue) for queue in ("reports", "default", "mail")}

    assert jobs["mail"].get(timeout=15)[2] == "mail"
    after = rig.client.send("add", 1, 2, queue="mail")
    assert after.get(timeout=ROUND_TRIP_S) == 3
    assert [jobs[queue].state for queue in ("reports", "default")] == ["PENDING", "PENDING"]


def test_two_workers_share_the_work_and_no_job_runs_twice(rig: Rig) -> None:
    workers = [rig.start_worker(worker_concurrency=1) for _ in range(2)]
    eventually(lambda: len(rig.client.app.broker.counts().leases) == 2, what="both workers")
    jobs = rig.client.send_many("work", [(5,) for _ in range(200)])

    assert {record.state for record in rig.client.await_all_final(jobs)} == {"succeeded"}

    entries = rig.ledger.entries()
    assert len(entries) == 200
    children = {pid for worker in workers for pid in worker.child_pids()}
    shares = [sum(entry.pid == pid for entry in entries) for pid in children]
    assert min(shares) > 30, "each takes its part"


def test_a_long_job_does_not_hold_back_short_ones_that_were_claimed_beside_it(rig: Rig) -> None:
    """The same task was fast 200 times, so the worker believes it to be, and claims many at once."""
    rig.start_worker()
    gate, open_gate = rig.directory / "gate", rig.directory / "open"
    open_gate.touch()
    rig.client.await_all_final(rig.client.send_many("until", [(str(open_gate),) for _ in range(200)]))
    gates = [str(gate if number == 0 else open_gate) for number in range(100)]

    long, *short = rig.client.send_many("until", [(each,) for each in gates])

    assert {record.state for record in rig.client.await_all_final(short, within_s=5.0)} == {"succeeded"}
    assert long.state == "STARTED"
    gate.touch()
    assert long.get(timeout=ROUND_TRIP_S) == "opened"
    assert len(rig.ledger.entries("start", long.id)) == 1


def test_delayed_jobs_run_when_they_are_due_and_expired_ones_never(rig: Rig) -> None:
    expired = rig.client.send("add", 1, 1, expires=0.001)
    delayed = rig.client.send("add", 1, 2, countdown=1.0)
    rig.start_worker()

    assert delayed.get(timeout=15) == 3
    record = delayed.job()
    assert record.started_ms - record.created_ms >= 1000
    assert (rig.client.await_state(expired).state, expired.job().reason) == ("cancelled", "expired")
    assert not rig.ledger.entries("start", expired.id)


def test_burst_ends_when_the_queues_are_empty(rig: Rig) -> None:
    jobs = rig.client.send_many("add", [(number, 1) for number in range(100)])
    worker = rig.start_worker(arguments=["--burst"])

    assert worker.wait(timeout_s=20) == 0
    assert {record.state for record in rig.client.records(jobs)} == {"succeeded"}


def _words(ledger: Ledger, job_id: str) -> list[str]:
    lines = ledger.path.read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.startswith(job_id)]

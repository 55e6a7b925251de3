"""Jobs that take their process with them."""

from __future__ import annotations

import pytest

from tests.harness import Report, Rig
from treadle.exceptions import WorkerLost

#: Beside what the interpreter takes: far from it on both sides.
LIMIT_KIB = 150 * 1024
HOARD_MIB = 300


@pytest.mark.parametrize(
    ("task", "argument", "cause"),
    [
        pytest.param("exits", 42, "exited with code 42", id="exits"),
        pytest.param("segfaults", None, "SIGSEGV", id="segfaults"),
        pytest.param("swells", HOARD_MIB, f"above the limit of {LIMIT_KIB} KiB", id="takes too much memory"),
    ],
)
def test_a_job_that_kills_its_process_three_times_fails_with_the_cause(
    rig: Rig, task: str, argument: int | None, cause: str, report: Report
) -> None:
    rig.start_worker(worker_memory_limit=LIMIT_KIB)
    poison = rig.client.send(task, *(() if argument is None else (argument,)))

    record = rig.client.await_state(poison, within_s=25.0)

    assert (record.state, record.reason, record.crashes) == ("failed", "crashed", 3)
    assert len(rig.ledger.entries("start", poison.id)) == 3
    with pytest.raises(WorkerLost, match=cause):
        poison.get(timeout=1)
    report.add(
        "A job that takes its process with it, alone", {"store": rig.store, "cause in its record": cause, "runs": 3}
    )


@pytest.mark.parametrize("pool", ["prefork", "threads", "asyncio"])
def test_jobs_beside_a_poisonous_one_are_not_charged(rig: Rig, pool: str, report: Report) -> None:
    rig.start_worker(worker_pool=pool)
    innocent = rig.client.send("first_waits", rig.gate("gate"))
    rig.ledger.await_entry("start", innocent.id)
    poison = rig.client.send("exits", 42)
    queued = rig.client.send_many("add", [(number, 1) for number in range(20)])

    record = rig.client.await_state(poison, within_s=30.0)
    rig.open("gate")

    assert (record.state, record.reason, record.crashes) == ("failed", "crashed", 3)
    records = rig.client.await_all_final([innocent, *queued])
    for each in records:
        assert (each.state, each.crashes, each.attempt) == ("succeeded", 0, 1)
    row = {
        "store": rig.store,
        "pool": pool,
        "deaths": record.crashes,
        "jobs beside it": len(records),
        "charged": sum(each.crashes > 0 for each in records),
        "started again": len(rig.ledger.entries()) - record.crashes - len(records),
    }
    report.add("A job that takes its process with it, among others", row)


def test_a_crash_ends_through_the_hooks_of_the_task(rig: Rig) -> None:
    rig.start_worker(worker_max_crashes=1)
    poison = rig.client.send("watched", "exit")

    record = rig.client.await_state(poison)

    assert (record.state, record.reason, record.crashes, record.attempt) == ("failed", "crashed", 1, 1)
    assert len(rig.ledger.entries("on_failure:WorkerLost", poison.id)) == 1
    assert len(rig.ledger.entries("after_return:FAILURE", poison.id)) == 1


def test_a_job_that_must_not_start_twice_fails_after_one_crash(rig: Rig) -> None:
    rig.start_worker()
    once = rig.client.publish("exits", rig.client.app.codec.encode_call((1,), {}), redeliver=False)

    record = rig.client.await_state(once)

    assert (record.state, record.reason) == ("failed", "crashed")
    assert len(rig.ledger.entries("start", once.id)) == 1

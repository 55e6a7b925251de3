"""How a worker ends, and how it replaces its children."""

from __future__ import annotations

import signal
import time

import pytest

from tests.harness import Rig, eventually, processes

POOLS = ("prefork", "threads", "asyncio", "solo")


@pytest.mark.parametrize("pool", POOLS)
def test_on_term_running_jobs_finish_nothing_new_starts_and_the_exit_code_is_0(rig: Rig, pool: str) -> None:
    worker = rig.start_worker(worker_pool=pool, worker_concurrency=1)
    task = "auntil" if pool == "asyncio" else "until"
    running = rig.client.send(task, rig.gate("gate"))
    rig.ledger.await_entry("start", running.id)
    waiting = rig.client.send_many("add", [(number, 1) for number in range(20)])

    worker.terminate()
    rig.open("gate")

    assert worker.wait() == 0
    assert rig.client.await_state(running).state == "succeeded"
    assert len(rig.ledger.entries("start", running.id)) == 1
    assert {record.state for record in rig.client.records(waiting)} <= {"queued", "succeeded"}
    assert {record.lease for record in rig.client.records(waiting) if record.state == "running"} == set()


def test_on_term_unstarted_jobs_are_handed_back_while_the_running_one_goes_on(rig: Rig) -> None:
    worker = rig.start_worker(worker_concurrency=1)
    learning = rig.client.send_many("add", [(number, 1) for number in range(100)])
    rig.client.await_all_final(learning)
    running = rig.client.send("until", rig.gate("gate"))
    rig.ledger.await_entry("start", running.id)
    waiting = rig.client.send_many("add", [(number, 1) for number in range(10)])

    worker.terminate()
    rig.start_worker()

    assert {record.state for record in rig.client.await_all_final(waiting)} == {"succeeded"}
    assert running.state == "STARTED", "still in the hands of the worker that ends"
    rig.open("gate")
    assert worker.wait() == 0
    assert rig.client.await_state(running).state == "succeeded"
    assert len(rig.ledger.entries("start", running.id)) == 1


@pytest.mark.parametrize(
    ("pool", "task"), [("prefork", "until"), ("prefork", "auntil"), ("threads", "until"), ("asyncio", "auntil")]
)
def test_when_the_grace_period_is_over_running_jobs_are_released_uncharged(rig: Rig, pool: str, task: str) -> None:
    worker = rig.start_worker(worker_pool=pool, worker_grace_s=0.5)
    job = rig.client.send(task, rig.gate("gate"))
    rig.ledger.await_entry("start", job.id)

    assert worker.stop() == 0

    record = job.job()
    assert (record.state, record.attempt, record.crashes) == ("queued", 0, 0)
    assert not rig.ledger.entries("end", job.id)


@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGQUIT,)], ids=["TERM twice", "QUIT"])
def test_a_cold_shutdown_waits_for_nothing(rig: Rig, numbers: tuple[signal.Signals, ...]) -> None:
    worker = rig.start_worker(worker_grace_s=60)
    job = rig.client.send("until", rig.gate("gate"))
    rig.ledger.await_entry("start", job.id)

    told_s = time.monotonic()
    for number in numbers:
        worker.signal(number)
        # Two signals of a kind that are both pending are one: wait until the first was heard.
        worker.await_output(f"stopping ({number.name})")

    assert worker.wait(timeout_s=15) == 0
    assert time.monotonic() - told_s < 15
    record = job.job()
    assert (record.state, record.attempt, record.crashes) == ("queued", 0, 0)


def test_a_task_that_cannot_be_interrupted_is_killed_after_the_grace_period_and_released_uncharged(rig: Rig) -> None:
    worker = rig.start_worker(worker_grace_s=0.2)
    job = rig.client.send("cannot_be_interrupted")
    rig.ledger.await_entry("start", job.id)

    assert worker.stop() == 0

    record = rig.client.await_state(job, "queued")
    assert (record.attempt, record.crashes) == (0, 0)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_children_are_replaced_after_so_many_jobs_and_none_is_lost(rig: Rig, pool: str) -> None:
    worker = rig.start_worker(worker_pool=pool, worker_max_tasks_per_child=20)
    jobs = rig.client.send_many("add", [(number, 1) for number in range(200)])

    records = rig.client.await_all_final(jobs)

    assert {(record.state, record.attempt, record.receipt >= 1) for record in records} == {("succeeded", 1, True)}
    entries = rig.ledger.entries()
    assert len(entries) == 200
    per_child = [sum(entry.pid == pid for entry in entries) for pid in {entry.pid for entry in entries}]
    assert max(per_child) <= 20
    assert worker.stop() == 0


def test_a_child_that_has_grown_is_replaced_after_its_job(rig: Rig) -> None:
    rig.start_worker(worker_concurrency=1, worker_max_memory_per_child=150 * 1024)
    rig.client.send("grows", 300).get(timeout=15)
    fat = rig.ledger.entries()[0].pid

    jobs = rig.client.send_many("add", [(number, 1) for number in range(100)])

    assert {record.attempt for record in rig.client.await_all_final(jobs)} == {1}
    eventually(lambda: not processes.is_alive(fat), what="the end of the child that had grown")
    assert rig.client.send("work", 1).get(timeout=10) != fat


def test_reload_replaces_template_and_children(rig: Rig) -> None:
    worker = rig.start_worker()
    running = rig.client.send("until", rig.gate("gate"))
    rig.ledger.await_entry("start", running.id)
    before = set(worker.await_children(2))

    worker.signal(signal.SIGHUP)
    eventually(lambda: set(worker.child_pids()) - before, what="a new child")
    rig.open("gate")

    assert rig.client.await_state(running).state == "succeeded"
    eventually(lambda: not any(processes.is_alive(pid) for pid in before), what="the end of the old children")
    assert rig.client.send("add", 1, 2).get(timeout=10) == 3
    assert worker.stop() == 0

"""SIGKILL for each process of a worker while it runs jobs."""

from __future__ import annotations

import time

from tests.harness import Rig, eventually, processes

LEASE_S = 1.5


def test_the_job_of_a_killed_child_runs_again_without_waiting_for_a_lease(rig: Rig) -> None:
    rig.start_worker(lease_s=15.0)
    job = rig.client.send("first_waits", rig.gate("never"))
    victim = rig.ledger.await_entry("start", job.id)

    processes.kill(victim.pid)
    killed_s = time.monotonic()

    second = rig.ledger.await_entry("start", job.id, count=2)
    recovery_s = second.at_s - killed_s
    print(f"child killed: its job ran again after {recovery_s:.2f} s")  # noqa: T201 - what faults.md measures
    assert recovery_s < 5.0, "that is the lease, not the supervisor"
    record = rig.client.await_state(job)
    assert (record.state, record.attempt, record.crashes) == ("succeeded", 2, 1)
    assert second.pid != victim.pid


def test_the_neighbour_of_a_killed_child_goes_on_and_nobody_else_is_charged(rig: Rig) -> None:
    rig.start_worker()
    guilty = rig.client.send("first_waits", rig.gate("never"))
    neighbour = rig.client.send("until", rig.gate("gate"))
    rig.ledger.await_entry("start", neighbour.id)
    victim = rig.ledger.await_entry("start", guilty.id)
    queued = rig.client.send_many("add", [(number, 1) for number in range(50)])

    processes.kill(victim.pid)
    rig.client.await_state(guilty)
    rig.open("gate")

    for record in rig.client.await_all_final([neighbour, *queued]):
        assert (record.state, record.attempt, record.crashes) == ("succeeded", 1, 0)
    assert len(rig.ledger.entries("start", neighbour.id)) == 1


def test_a_killed_template_is_replaced_and_running_jobs_do_not_notice(rig: Rig) -> None:
    worker = rig.start_worker()
    running = rig.client.send("until", rig.gate("gate"))
    guilty = rig.client.send("first_waits", rig.gate("never"))
    rig.ledger.await_entry("start", running.id)
    victim = rig.ledger.await_entry("start", guilty.id)
    first_template = worker.template_pid()

    processes.kill(first_template)
    eventually(lambda: not processes.is_alive(first_template), what="the template's end")
    processes.kill(victim.pid)

    # The other child is busy: only a new one, made by a new template, can run this again.
    assert rig.client.await_state(guilty).state == "succeeded"
    assert worker.template_pid() != first_template
    rig.open("gate")
    record = rig.client.await_state(running)
    assert (record.state, record.attempt, record.crashes) == ("succeeded", 1, 0)
    assert len(rig.ledger.entries("start", running.id)) == 1


def test_children_end_by_themselves_when_the_supervisor_is_killed_and_give_their_jobs_back_uncharged(rig: Rig) -> None:
    worker = rig.start_worker()
    jobs = [rig.client.send("first_waits", rig.gate("never")) for _ in range(2)]
    for job in jobs:
        rig.ledger.await_entry("start", job.id)
    family = worker.family()

    processes.kill(worker.pid)
    killed_s = time.monotonic()
    for job in jobs:
        rig.client.await_state(job, "queued", within_s=8.0)
    print(f"supervisor killed: its jobs were back after {time.monotonic() - killed_s:.2f} s")  # noqa: T201
    _await_end(family)

    rig.start_worker()
    for record in rig.client.await_all_final(jobs):
        assert (record.state, record.attempt, record.crashes) == ("succeeded", 1, 0)


def test_jobs_of_a_killed_tree_are_taken_over_after_its_leases_ran_out(rig: Rig) -> None:
    worker = rig.start_worker(lease_s=LEASE_S)
    jobs = [rig.client.send("first_waits", rig.gate("never")) for _ in range(2)]
    for job in jobs:
        rig.ledger.await_entry("start", job.id)

    worker.kill_tree()
    killed_s = time.monotonic()
    rig.start_worker(lease_s=LEASE_S)

    back_s = [rig.ledger.await_entry("start", job.id, count=2).at_s - killed_s for job in jobs]
    print(f"tree killed, lease {LEASE_S} s: jobs ran again after {', '.join(f'{each:.2f}' for each in back_s)} s")  # noqa: T201
    assert max(back_s) < 4 * LEASE_S + 5
    for record in rig.client.await_all_final(jobs):
        assert (record.state, record.attempt, record.crashes) == ("succeeded", 1, 0), "nobody knows who was guilty"


def _await_end(pids: list[int]) -> None:
    from tests.harness import eventually, processes

    eventually(lambda: not any(processes.is_alive(pid) for pid in pids), within_s=10.0, what=f"the end of {pids}")

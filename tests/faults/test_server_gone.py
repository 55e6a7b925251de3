"""The store is down, hangs or is locked: calls fail in time, workers come back by themselves."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from tests.harness import ON_SQLITE, Report, Rig, eventually
from tests.harness.report import Row
from tests.harness.stores import StoreServer
from tests.servers import RedisServer
from treadle.exceptions import BrokerUnavailable
from treadle.interfaces import CALL_DEADLINE_S

#: What a busy machine may add to the broker's own deadline.
_PATIENCE_S = 1.0
JOBS = 1000
CHILDREN = 4
#: What a child held when the server went: a job that ran, and a few that had ended and were not settled.
_STARTS_PER_CHILD = 4


def test_calls_to_a_stopped_server_fail_within_the_deadline(
    server: StoreServer, server_rig: Rig, report: Report
) -> None:
    with _callers(server_rig) as calls:
        server.stop()
        longest_s = _longest_failure_s(calls)
        server.start()

        calls["get"]()  # the next call works again
    report.add("Calls to a server that is gone", _deadline(server_rig, "is down", longest_s))
    assert longest_s < CALL_DEADLINE_S + _PATIENCE_S


def test_calls_to_a_frozen_server_fail_within_the_deadline(
    server: StoreServer, server_rig: Rig, report: Report
) -> None:
    with _callers(server_rig) as calls:
        server.freeze()
        longest_s = _longest_failure_s(calls)
        server.thaw()

        calls["get"]()
    report.add("Calls to a server that is gone", _deadline(server_rig, "answers nothing", longest_s))
    assert longest_s < CALL_DEADLINE_S + _PATIENCE_S


@ON_SQLITE
def test_calls_to_a_locked_file_fail_within_the_deadline(rig: Rig) -> None:
    rig.client.app.broker.migrate()
    with _intruder(rig) as intruder:
        intruder.execute("BEGIN EXCLUSIVE")
        assert _seconds_to_fail(lambda: rig.client.send("add", 1, 2)) < CALL_DEADLINE_S + _PATIENCE_S
        intruder.execute("ROLLBACK")

    assert rig.client.send("add", 1, 2).state == "PENDING"


@ON_SQLITE
def test_a_worker_whose_file_is_locked_for_a_while_comes_back_by_itself(rig: Rig) -> None:
    worker = rig.start_worker()
    running = rig.client.send("until", rig.gate("gate"))
    rig.ledger.await_entry("start", running.id)
    with _intruder(rig) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        rig.open("gate")
        rig.ledger.await_entry("end", running.id)
        worker.await_output("does not answer", within_s=15.0)
        intruder.execute("ROLLBACK")

    assert rig.client.await_state(running).state == "succeeded"
    assert len(rig.ledger.entries("start", running.id)) == 1
    assert rig.client.send("add", 1, 2).get(timeout=10) == 3


@pytest.mark.parametrize("fault", ["restart", "kill -9", "freeze"])
def test_a_worker_comes_back_by_itself_and_loses_nothing_that_ran_meanwhile(
    server: StoreServer, server_rig: Rig, fault: str, report: Report
) -> None:
    if isinstance(server, RedisServer):
        server.ask("CONFIG SET appendfsync always")  # else a killed server may lose the last second, as promised
    witness = server_rig.call_witness()
    worker = server_rig.start_worker(lease_s=3.0, worker_concurrency=CHILDREN)
    jobs = server_rig.client.send_many("work", [(10,) for _ in range(JOBS)])
    eventually(lambda: len(server_rig.ledger.entries()) > JOBS // 4, within_s=20.0, what="a quarter of the jobs")

    _strike(server, fault, until=lambda: worker.await_output("does not answer", within_s=15.0))
    back_s = time.monotonic()

    first_s = server_rig.ledger.await_entry(count=len(server_rig.ledger.entries()) + 1).at_s - back_s
    records = server_rig.client.await_all_final(jobs, within_s=30.0)
    endings = Counter(ending.job_id for ending in witness.endings())
    again = len(server_rig.ledger.entries()) - JOBS
    row = {
        "store": server_rig.store,
        "server": fault,
        "jobs": JOBS,
        "lost": JOBS - len(records),
        "settled twice": sum(times > 1 for times in endings.values()),
        "started again": again,
        "next start after s": first_s,
    }
    report.add("A server that comes back, under load", row)
    assert len(records) == JOBS, "lost"
    assert {(record.state, record.attempt, record.crashes) for record in records} == {("succeeded", 1, 0)}
    assert endings == {job.id: 1 for job in jobs}
    assert again <= CHILDREN * _STARTS_PER_CHILD
    assert worker.stop() == 0


def test_a_worker_that_is_told_to_stop_while_the_server_is_away_ends(server: StoreServer, server_rig: Rig) -> None:
    worker = server_rig.start_worker(worker_grace_s=1.0)
    assert server_rig.client.send("add", 1, 2).get(timeout=15) == 3
    server.stop()
    worker.await_output("does not answer", within_s=15.0)

    worker.terminate()

    assert worker.wait(timeout_s=30.0) == 0


@contextmanager
def _callers(rig: Rig) -> Iterator[dict[str, Callable[[], object]]]:
    """Calls of all kinds: one has never been connected, the others have."""
    client, broker = rig.client, rig.client.app.broker
    job = client.send("add", 1, 2)
    broker.open_lease("lease", 60.0)
    with closing(broker.consumer("lease", ["one"])) as known, closing(broker.consumer("lease", ["two"])) as new:
        assert known.claim(1, idle=True).deliveries == []
        yield {
            "publish": lambda: client.send("add", 1, 2),
            "get": lambda: job.state,
            "claim": lambda: known.claim(1, idle=True),
            "claim and wait": lambda: new.claim(1, idle=True, wait_s=60.0),
        }


def _longest_failure_s(calls: dict[str, Callable[[], object]]) -> float:
    """Make all calls at once; how long the last of them took to say that the server does not answer."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return max(pool.map(_seconds_to_fail, calls.values()))


def _deadline(rig: Rig, server: str, longest_s: float) -> Row:
    return {
        "store": rig.store,
        "server": server,
        "calls": "publish, get, claim, claim and wait",
        "all failed after s": longest_s,
    }


def _strike(server: StoreServer, fault: str, *, until: Callable[[], None]) -> None:
    """Take the server away until the worker has noticed, then bring it back."""
    match fault:
        case "restart":
            server.stop()
        case "freeze":
            server.freeze()
        case _:
            server.kill()
    until()
    (server.thaw if fault == "freeze" else server.start)()


def _seconds_to_fail(call: Callable[[], object]) -> float:
    began_s = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        call()
    return time.monotonic() - began_s


def _intruder(rig: Rig) -> closing[sqlite3.Connection]:
    """A connection of somebody else, who may lock the file."""
    return closing(sqlite3.connect(rig.url.removeprefix("sqlite:///"), isolation_level=None))

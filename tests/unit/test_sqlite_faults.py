"""What SQLite goes through in production: death, locks, forks, upgrades, and a bell that nobody answers."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.schema import LATEST
from treadle.brokers.sql.sqlite.bell import DatagramBell
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.interfaces import CALL_DEADLINE_S, Filter
from treadle.job import Job, new_id
from treadle.settlement import Complete


def job(job_id: str = "") -> Job:
    return Job(job_id or new_id(), "t", b"json:[[],{}]")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def broker(path: Path) -> Iterator[SqlBroker]:
    broker = SqlBroker(f"sqlite:///{path}", {})
    broker.migrate()
    yield broker
    broker.close()


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked child; its exit code, 0 if nothing was raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def start_python(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


DIES_IN_A_TRANSACTION = """
import sys, time
from treadle.brokers.sql import SqlBroker
from treadle.job import Job
broker = SqlBroker(sys.argv[1], {})
def work(transaction):
    broker._dialect.insert_jobs(transaction, transaction.sql, [Job("half", "t", b"json:[]")])
    print("written", flush=True)
    time.sleep(60)
broker._store.step(work)
"""


def test_a_process_killed_inside_a_transaction_leaves_nothing_and_blocks_nobody(broker: SqlBroker, path: Path) -> None:
    child = start_python(DIES_IN_A_TRANSACTION, f"sqlite:///{path}")
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "written\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    started = time.monotonic()
    broker.publish([job("whole")])
    assert time.monotonic() - started < 2
    assert set(broker.get(["half", "whole"])) == {"whole"}


def test_a_database_locked_by_another_process_is_unavailable_within_the_deadline(broker: SqlBroker, path: Path) -> None:
    child = start_python(DIES_IN_A_TRANSACTION, f"sqlite:///{path}")
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "written\n"
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=rf"locked by process {child.pid}"):
            broker.publish([job()])
        assert time.monotonic() - started < CALL_DEADLINE_S
        assert broker.counts().queues == {}, "readers are not blocked"
        child.kill()
        child.wait()


MIGRATES = """
import sys
from treadle.brokers.sql import SqlBroker
sys.stdin.readline()
print(len(SqlBroker(sys.argv[1], {}).migrate()), flush=True)
"""


def test_many_processes_may_migrate_at_once_and_each_step_is_taken_once(path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATES, f"sqlite:///{path}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = []
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        out, _ = child.communicate(timeout=30)
        assert child.returncode == 0
        answers.append(int(out))
    assert sum(answers) == LATEST, "each step was taken once"


def test_a_schema_of_the_future_is_refused_by_number(broker: SqlBroker, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE treadle_meta SET value = 99 WHERE name IN ('schema_version', 'serves')")
    connection.close()
    newcomer = SqlBroker(f"sqlite:///{path}", {})
    with pytest.raises(ConfigurationError, match=rf"schema 99.*knows {LATEST} at most: upgrade"):
        newcomer.publish([job()])
    newcomer.close()


def test_a_forked_child_uses_a_connection_of_its_own(broker: SqlBroker) -> None:
    broker.publish([job("parent")])
    assert in_child(lambda: broker.publish([job("child")])) == 0
    broker.publish([job("parent again")])
    assert set(broker.get(["parent", "child", "parent again"])) == {"parent", "child", "parent again"}


def test_a_fork_during_another_thread_s_transaction_harms_neither(broker: SqlBroker) -> None:
    inside, leave = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with broker._dialect.writing() as executor:
            executor.run("INSERT INTO treadle_queue (name, paused) VALUES ('slow', 0)")
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=write_slowly)
    thread.start()
    inside.wait(10)
    assert in_child(broker.close) == 0
    leave.set()
    thread.join()
    broker.publish([job("after")])
    assert broker.get(["after"])


def test_a_fork_while_other_threads_open_and_close_connections_leaves_the_child_able_to_work(broker: SqlBroker) -> None:
    """SQLite has mutexes of its own: a child that inherited them as held would wait for them for ever."""
    over = threading.Event()

    def open_and_read() -> None:
        while not over.is_set():
            broker.counts()
            broker.close()

    threads = [threading.Thread(target=open_and_read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert [in_child(broker.counts) for _ in range(60)] == [0] * 60
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_what_a_child_commits_survives_the_parent_s_last_close(broker: SqlBroker, path: Path) -> None:
    """The parent's locks are its own: closing last, it must not throw away a log that the child still uses."""
    broker.publish([job("before")])
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        broker.publish([job("first")])
        os.write(ready_write, b"1")
        os.read(go_read, 1)
        broker.publish([job("second")])
        os._exit(0)
    os.read(ready_read, 1)
    broker.counts()
    broker.close()
    os.write(go_write, b"1")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    for descriptor in (ready_read, ready_write, go_read, go_write):
        os.close(descriptor)
    fresh = SqlBroker(f"sqlite:///{path}", {})
    assert set(fresh.get(["before", "first", "second"])) == {"before", "first", "second"}
    fresh.close()


def publish_at(broker: SqlBroker, times: list[float]) -> None:
    times.append(time.monotonic())
    broker.publish([job()])


def publish_and_close(broker: SqlBroker, one: Job) -> None:
    broker.publish([one])
    broker.close()


def test_a_publish_wakes_a_waiting_consumer_at_once(broker: SqlBroker) -> None:
    broker.open_lease("w/1", 60)
    consumer = broker.consumer("w/1", ["default"])
    waits: list[float] = []
    for _ in range(10):
        published: list[float] = []
        timer = threading.Timer(0.05, publish_at, (broker, published))
        timer.start()
        claimed = consumer.claim(1, idle=True, wait_s=10)
        waits.append(time.monotonic() - published[0])
        timer.join()
        assert len(claimed.deliveries) == 1
        consumer.settle([Complete(claimed.deliveries[0])])
    consumer.close()
    assert sorted(waits)[5] < 0.05


def test_a_writer_who_rings_no_bell_is_noticed_all_the_same(broker: SqlBroker, path: Path) -> None:
    silent = SqlBroker(f"sqlite:///{path}", {})
    silent._dialect.bell = DatagramBell(path.with_name("somewhere-else"))
    broker.open_lease("w/1", 60)
    consumer = broker.consumer("w/1", ["default"])
    timer = threading.Timer(0.1, publish_and_close, (silent, job("quiet")))
    timer.start()
    started = time.monotonic()
    assert [delivery.id for delivery in consumer.claim(1, idle=True, wait_s=10).deliveries] == ["quiet"]
    assert time.monotonic() - started < 2
    timer.join()
    consumer.close()


def test_a_bell_that_cannot_be_hung_means_polling_not_failure(tmp_path: Path) -> None:
    (tmp_path / "jobs.db-wake").write_text("a file where the directory would be")
    broker = SqlBroker(f"sqlite:///{tmp_path / 'jobs.db'}", {})
    broker.open_lease("w/1", 60)
    consumer = broker.consumer("w/1", ["default"])
    timer = threading.Timer(0.05, lambda: broker.publish([job("polled")]))
    timer.start()
    assert [delivery.id for delivery in consumer.claim(1, idle=True, wait_s=10).deliveries] == ["polled"]
    timer.join()
    consumer.close()
    broker.close()


def test_a_path_too_long_for_a_socket_is_heard_as_well(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    bell = DatagramBell(folder / "wake")
    ear = bell.listen_as_consumer()
    assert ear.hears
    bell.ring_consumers()
    assert ear.wait(5) == "bell"
    ear.close()


def test_the_socket_of_a_dead_process_is_cleared_away(tmp_path: Path) -> None:
    bell = DatagramBell(tmp_path)
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(tmp_path / "c-dead"))
    dead.close()
    bell.ring_watches()
    assert (tmp_path / "c-dead").exists()
    bell.ring_consumers()
    assert not (tmp_path / "c-dead").exists()


def test_an_ear_hears_its_own_audience_and_its_wake_call(tmp_path: Path) -> None:
    bell = DatagramBell(tmp_path / "wake")
    ear = bell.listen_as_watch()
    bell.ring_consumers()
    assert ear.wait(0) == ""
    bell.ring_watches()
    ear.wake()
    assert ear.wait(5) == "wake"
    assert ear.wait(5) == "bell"
    assert ear.wait(0) == ""
    ear.close()
    ear.wake()
    assert ear.wait(0) == "wake"


def test_a_job_id_deleted_and_published_again_is_safe_from_its_former_receipt(broker: SqlBroker) -> None:
    broker.open_lease("w/1", 60)
    consumer = broker.consumer("w/1", ["default"])
    broker.publish([job("a")])
    late = consumer.claim(1, idle=True).deliveries[0]
    broker.abandon("w/1", reason="crashed", error=b"")
    assert broker.delete(["a"]) == ["a"]
    broker.publish([job("a")])
    broker.open_lease("w/2", 60)
    successor = broker.consumer("w/2", ["default"])
    assert successor.claim(1, idle=True).deliveries[0].receipt == late.receipt
    assert consumer.settle([Complete(late, b"late")]).refused == ["a"]
    assert broker.get(["a"])["a"].state == "running"
    consumer.close()
    successor.close()


def test_pages_of_history_show_every_job_once_newest_first(broker: SqlBroker) -> None:
    broker.open_lease("w/1", 60)
    consumer = broker.consumer("w/1", ["default"])
    broker.publish([job(f"{n:03}") for n in range(25)])
    consumer.settle([Complete(delivery) for delivery in consumer.claim(25, idle=True).deliveries])
    seen, cursor = [], ""
    while True:
        page = broker.query(Filter(state="succeeded"), limit=7, cursor=cursor)
        seen += [record.id for record in page.records]
        if not (cursor := page.next_cursor):
            break
    assert seen == [f"{n:03}" for n in reversed(range(25))]
    with pytest.raises(ConfigurationError, match="no cursor"):
        broker.query(Filter(), cursor="yesterday")
    consumer.close()


def test_looking_and_claiming_read_indexes_only(broker: SqlBroker) -> None:
    """A scan of the live table would make every claim as slow as the backlog is long."""
    sql = broker._store.sql
    with broker._dialect.reading() as executor:
        for statement, parameters in (
            (sql.candidates, ("default", 10)),
            (sql.is_queued, ("default",)),
            (sql.situation, ("w/1",)),
            (sql.held, ("w/1", 10)),
            (sql.promote, (0, 10)),
            (sql.query_final.format(filters=""), (4, 0, 0, 10)),
            (sql.ended_before, (4, 0, 10)),
        ):
            plan = [str(row[3]) for row in executor.rows(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert not [step for step in plan if step.startswith("SCAN") and not is_small(step)], plan
            # What one child holds is little, and sorted.
            assert statement == sql.held or "USE TEMP B-TREE FOR ORDER BY" not in plan, plan


def is_small(step: str) -> bool:
    small = (
        "treadle_lease",
        "treadle_queue",
        "treadle_owed",
        "live_suspect",
        "json_each",
        "CONSTANT ROW",
        "COVERING INDEX",
    )
    return any(word in step for word in small)

"""On MySQL and MariaDB those who want the same rows wait for each other, in vain only if they should."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, Final

import pytest

from tests.servers import MariaDbServer
from treadle.brokers.sql import SqlBroker, claiming
from treadle.brokers.sql.store import Transaction
from treadle.exceptions import BrokerUnavailable
from treadle.job import Job


@pytest.fixture(scope="module")
def database(mariadb_server: MariaDbServer) -> Iterator[str]:
    with mariadb_server.database() as url:
        yield url


@pytest.fixture
def namespace() -> str:
    return f"n{uuid.uuid4().hex[:12]}"


@pytest.fixture
def broker(database: str, namespace: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(database, {"namespace": namespace})
    broker.migrate()
    yield broker
    broker.close()


def ask(broker: SqlBroker, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with broker._store.dialect.reading() as executor:
        return executor.rows(sql, parameters)


_CLAIMER = """
import sys
from treadle.brokers.sql import SqlBroker
from treadle.settlement import Complete

url, namespace, lease = sys.argv[1:]
broker = SqlBroker(url, {"namespace": namespace})
broker.open_lease(lease, 60)
consumer = broker.consumer(lease, ["default"])
sys.stdin.readline()
taken = consumer.claim(50, idle=True).deliveries
while taken:
    print(*[delivery.id for delivery in taken], flush=True)
    taken = consumer.settle([Complete(each) for each in taken], claim_next=50).claimed.deliveries
    taken = taken or consumer.claim(50, idle=True).deliveries
"""


def test_four_processes_claim_two_thousand_jobs_once_each(broker: SqlBroker, database: str, namespace: str) -> None:
    ids = [str(number) for number in range(2000)]
    broker.publish([Job(id_, "t", b"") for id_ in ids])
    claimers = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIMER, database, namespace, f"w/{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda claimer: claimer.communicate("go\n", 40)[0].split(), claimers))
    assert sorted(itertools.chain(*answers)) == sorted(ids)
    assert [claimer.returncode for claimer in claimers] == [0] * 4
    assert broker.counts().final == {"succeeded": 2000}
    assert broker.counts().stale_acks == 0


def test_what_is_claimed_while_its_lease_is_abandoned_is_given_back(broker: SqlBroker) -> None:
    broker.publish([Job("a", "t", b"")])
    broker.open_lease("w/1", 30)
    store = broker._store
    with ThreadPoolExecutor(1) as pool:

        def claim(transaction: Transaction) -> list[str]:
            now = claiming.situation(transaction, transaction.sql.situation_held, "w/1")
            abandoned.append(pool.submit(broker.abandon, "w/1", reason="crashed", error=b"e"))
            wait_for(lambda: waiting_transactions(broker) == 1)
            claimed = claiming.claim(transaction, now, "w/1", ["default"], 1, idle=True)
            return [delivery.id for delivery in claimed.deliveries]

        abandoned: list[Any] = []
        assert store.step(claim) == ["a"]
        assert abandoned[0].result(10) == ["a"]
    record = broker.get(["a"])["a"]
    assert (record.state, record.receipt) == ("queued", 2)


def test_a_claim_that_comes_after_the_end_of_its_lease_takes_nothing(broker: SqlBroker) -> None:
    broker.publish([Job("a", "t", b"")])
    broker.open_lease("w/1", 30)
    with closing(broker.consumer("w/1", ["default"])) as consumer, ThreadPoolExecutor(1) as pool:

        def reap(transaction: Transaction) -> Any:
            transaction.rows(transaction.sql.lock_lease, ("w/1",))
            claim = pool.submit(consumer.settle, (), claim_next=1)
            wait_for(lambda: waiting_transactions(broker) == 1)
            transaction.run(transaction.sql.close_lease, ("w/1",))
            return claim

        assert broker._store.step(reap).result(10).claimed.deliveries == []
    assert broker.get(["a"])["a"].state == "queued"


def test_a_deadlock_is_resolved_and_the_step_done_anew(broker: SqlBroker) -> None:
    broker.publish([Job("a", "t", b""), Job("b", "t", b"")])
    barrier = threading.Barrier(2)
    attempts: list[Sequence[str]] = []

    def lock(*ids: str) -> Callable[[Transaction], Sequence[str]]:
        def work(transaction: Transaction) -> Sequence[str]:
            attempts.append(ids)
            for id_ in ids:
                rows = transaction.rows(transaction.sql.live_by_id, (transaction.pack([id_]),))
                assert len(rows) == 1
                with suppress(threading.BrokenBarrierError):
                    barrier.wait(5)
                barrier.abort()
            return ids

        return work

    with ThreadPoolExecutor(2) as pool:
        steps = [pool.submit(broker._store.step, lock(*ids)) for ids in (("a", "b"), ("b", "a"))]
        assert [step.result(20) for step in steps] == [("a", "b"), ("b", "a")]
    assert len(attempts) == 3


def test_publishers_of_the_same_ids_at_once_make_each_job_once(broker: SqlBroker) -> None:
    batches = [[Job(str(number), "t", b"") for number in range(60)] for _ in range(4)]
    batches[1].reverse()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(broker.publish, batches))
    assert broker.counts().queues["default"].queued == 60
    assert len(broker.get([str(number) for number in range(60)])) == 60


def test_a_row_that_another_holds_for_long_makes_the_call_fail_in_time(broker: SqlBroker) -> None:
    broker.publish([Job("a", "t", b"")])

    def hold(transaction: Transaction) -> float:
        transaction.rows(transaction.sql.live_by_id, (transaction.pack(["a"]),))
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable, match="another transaction"):
            broker.cancel(["a"])
        return time.monotonic() - started

    assert broker._store.step(hold) < 5


# Statements and their parameters; tables with a few rows are where the optimizer would rather read all of them.
_LOCKING: Final[dict[str, tuple[Any, ...]]] = {
    "candidates": ("default", 10),
    "suspects": (("default", "other"), 1),
    "take": ("w/1", 1, "seqs"),
    "promote": (1, 500),
    "live_by_seq": ("seqs",),
    "leave_live": ("seqs",),
    "forget_outcomes": ("seqs",),
    "forget_jobs": ("seqs",),
    "note": (b"", 3, 1),
    "held": ("w/1", 10),
    "live_by_id": ("ids",),
    "ended_by_id": ("ids",),
    "hasten": (0, "seqs"),
    "queued_in": ("default", 1000),
    "scheduled_in": ("default", 1000),
    "move_live": ("other", "seqs"),
    "move_jobs": ("other", "seqs"),
    "extend_leases": (1, ("w/1", "w/2")),
    "raise_fact": (1, "stale_acks"),
}


@pytest.fixture(scope="module")
def busy(database: str) -> Iterator[SqlBroker]:
    """A broker with a few jobs in each state."""
    broker = SqlBroker(database, {"namespace": "busy"})
    broker.migrate()
    broker.publish([Job(str(number), "t", b"", priority=number % 3) for number in range(10)])
    broker.open_lease("w/1", 30)
    broker.open_lease("w/2", 30)
    with closing(broker.consumer("w/1", ["default"])) as consumer:
        consumer.claim(3, idle=True)
    broker.cancel(["8", "9"])
    yield broker
    broker.close()


@pytest.mark.parametrize("keys", [(1,), (1, 3, 5, 7), tuple(range(1, 11))])
@pytest.mark.parametrize("name", _LOCKING)
def test_whoever_locks_rows_finds_them_by_an_index(busy: SqlBroker, name: str, keys: tuple[int, ...]) -> None:
    parameters = [{"seqs": keys, "ids": tuple(map(str, keys))}.get(each, each) for each in _LOCKING[name]]
    plan = ask(busy, f"EXPLAIN {getattr(busy._store.sql, name)}", *parameters)
    read_in_full = {row[2] for row in plan if row[3] in {"ALL", "index"}}
    assert read_in_full <= {"named", "<derived2>"}


@pytest.mark.parametrize("name", ["candidates", "queued_in"])
def test_looking_for_the_next_jobs_sorts_nothing(busy: SqlBroker, name: str) -> None:
    plan = ask(busy, f"EXPLAIN {getattr(busy._store.sql, name)}", *_LOCKING[name])
    assert not [row for row in plan if "filesort" in str(row[-1])]


def waiting_transactions(broker: SqlBroker) -> int:
    """How many transactions wait for a lock on one of the broker's tables."""
    prefix = broker._store.dialect.prefix
    return int(
        ask(
            broker,
            "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND instr(trx_query, ?)",
            prefix,
        )[0][0]
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        # The server answers anew about transactions only if it was not asked for a tenth of a second.
        time.sleep(0.12)

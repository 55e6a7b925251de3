"""Many processes and threads at work on the same rows: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

import psycopg

from tests.harness.patience import eventually
from tests.servers import PostgresServer
from treadle.brokers.sql import SqlBroker, changing, claiming, leases
from treadle.brokers.sql.store import Transaction
from treadle.exceptions import ConfigurationError, LeaseLost
from treadle.job import Job
from treadle.settlement import Complete, Retry

_PATIENCE_S = 15.0


@pytest.fixture
def broker(postgres_url: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(postgres_url, {})
    broker.migrate()
    yield broker
    broker.close()


@pytest.fixture
def await_waiter(postgres_server: PostgresServer, postgres_url: str) -> Callable[[], Any]:
    """Returns once a session waits for a lock that another one has."""
    sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    name = postgres_url.rpartition("/")[2]
    return lambda: eventually(lambda: postgres_server.ask(sql, database=name), what="a session that waits for a lock")


def jobs(count: int) -> list[Job]:
    return [Job(str(number), "t", b"json:[[],{}]") for number in range(count)]


def work_through(broker: SqlBroker, lease: str, done: Path) -> None:
    """Claim and settle until nothing is left, in a process of its own; writes down what it got."""
    broker.open_lease(lease, 60)
    consumer = broker.consumer(lease, ["default"])
    ids: list[str] = []
    deliveries = consumer.claim(7, idle=True).deliveries
    while deliveries:
        ids += [delivery.id for delivery in deliveries]
        settled = consumer.settle([Complete(delivery) for delivery in deliveries], claim_next=7)
        assert settled.refused == []
        deliveries = settled.claimed.deliveries or consumer.claim(7, idle=True).deliveries
    done.write_text("\n".join(ids))


def test_six_processes_claim_three_thousand_jobs_once_each(broker: SqlBroker, tmp_path: Path) -> None:
    broker.publish(jobs(3000))
    children = []
    for number in range(6):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work_through(broker, f"w/{number}", tmp_path / str(number))
                code = 0
            finally:
                os._exit(code)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 6
    taken = Counter(id_ for number in range(6) for id_ in (tmp_path / str(number)).read_text().split())
    assert len(taken) == 3000
    assert set(taken.values()) == {1}
    counts = broker.counts()
    assert counts.final == {"succeeded": 3000}
    assert counts.stale_acks == 0


class Held:
    """A step that has done its work, and commits when it is told to."""

    def __init__(self, broker: SqlBroker, threads: ThreadPoolExecutor, work: Callable[[Transaction], object]) -> None:
        self._done, self._go_on = threading.Event(), threading.Event()

        def step(transaction: Transaction) -> object:
            answer = work(transaction)
            self._done.set()
            assert self._go_on.wait(_PATIENCE_S)
            return answer

        self._step = threads.submit(broker._store.step, step)
        assert self._done.wait(_PATIENCE_S)

    def commit(self) -> Any:
        self._go_on.set()
        return self._step.result(_PATIENCE_S)


def claim_all(transaction: Transaction) -> list[str]:
    now = claiming.situation(transaction, transaction.sql.situation_held, "w/1")
    claimed = claiming.claim(transaction, now, "w/1", ["default"], 100, idle=True)
    return [delivery.id for delivery in claimed.deliveries]


def test_a_lease_that_is_abandoned_while_its_claim_is_on_the_way_gives_that_back_too(
    broker: SqlBroker, await_waiter: Callable[[], Any]
) -> None:
    """Else the jobs would run under a lease that nobody looks at any more: for ever."""
    broker.publish(jobs(5))
    broker.open_lease("w/1", 60)
    with ThreadPoolExecutor(2) as threads:
        claim = Held(broker, threads, claim_all)
        abandoning = threads.submit(broker.abandon, "w/1", reason="crashed", error=b"")
        await_waiter()
        assert len(claim.commit()) == 5
        assert sorted(abandoning.result(_PATIENCE_S)) == ["0", "1", "2", "3", "4"]
    counts = broker.counts()
    assert (counts.queues["default"].queued, counts.queues["default"].running) == (5, 0)
    assert counts.leases == ()


def test_a_claim_that_comes_while_its_lease_is_being_abandoned_takes_nothing(
    broker: SqlBroker, await_waiter: Callable[[], Any]
) -> None:
    broker.publish(jobs(5))
    broker.open_lease("w/1", 60)
    death = leases.Death("crashed", b"", 3)
    consumer = broker.consumer("w/1", ["default"])
    with ThreadPoolExecutor(2) as threads:
        abandoning = Held(broker, threads, lambda transaction: leases.abandon(transaction, "w/1", death))
        late = threads.submit(consumer.claim, 5, idle=True)
        await_waiter()
        abandoning.commit()
        assert late.result(_PATIENCE_S).deliveries == []
    assert broker.counts().queues["default"].running == 0
    with pytest.raises(LeaseLost):
        consumer.claim(5, idle=True)
    consumer.close()


def test_a_step_that_the_server_breaks_off_as_a_deadlock_is_done_anew(broker: SqlBroker) -> None:
    """Both lock what the other wants next; the server ends one of them after a second."""
    broker.pause("a")
    broker.pause("b")
    both_inside = threading.Barrier(2, timeout=_PATIENCE_S)
    attempts: Counter[str] = Counter()

    def work(first: str, second: str) -> Callable[[Transaction], None]:
        def step(transaction: Transaction) -> None:
            attempts[first] += 1
            assert transaction.run(transaction.sql.pause_known, (0, first))
            if attempts[first] == 1:
                both_inside.wait()
            assert transaction.run(transaction.sql.pause_known, (0, second))

        return step

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(broker._store.step, work(*names)) for names in ("ab", "ba")]:
            each.result(_PATIENCE_S)
    assert sorted(attempts.values()) == [1, 2]
    assert broker.counts().queues == {}


def test_two_that_pause_a_new_queue_at_once_both_succeed(broker: SqlBroker) -> None:
    for number in range(20):
        together = threading.Barrier(4, timeout=_PATIENCE_S)

        def pause(queue: str, together: threading.Barrier = together) -> None:
            together.wait()
            broker.pause(queue)

        with ThreadPoolExecutor(4) as threads:
            for each in [threads.submit(pause, f"q{number}") for _ in range(4)]:
                each.result(_PATIENCE_S)
    assert len(broker.counts().queues) == 20


def test_four_that_publish_the_same_jobs_in_other_orders_store_each_once(broker: SqlBroker) -> None:
    batch = jobs(200)
    with ThreadPoolExecutor(4) as threads:
        orders = (batch, batch[::-1], batch[100:] + batch[:100], batch[::2] + batch[1::2])
        for each in [threads.submit(broker.publish, order) for order in orders]:
            each.result(_PATIENCE_S)
    assert broker.counts().queues["default"].queued == 200


def test_recovering_and_settling_at_once_lose_nothing_and_settle_nothing_twice(broker: SqlBroker) -> None:
    """Each job ends once: by its child if that came first, else by whoever claims it anew."""
    broker.publish(jobs(120))
    for round_ in range(6):
        lease = f"w/{round_}"
        broker.open_lease(lease, 0)
        broker._store.step(lambda transaction: transaction.set_fact("recover_after_ms", 0))
        broker.renew([lease], 60)
        broker._store.step(lambda transaction: transaction.set_fact("recover_after_ms", 0))
        consumer = broker.consumer(lease, ["default"])
        held = consumer.claim(20, idle=True).deliveries
        assert held
        broker.renew([lease], 0)
        together = threading.Barrier(3, timeout=_PATIENCE_S)

        def settle(together: threading.Barrier = together, consumer: Any = consumer, held: Any = held) -> set[str]:
            together.wait()
            fates = [Complete(each) if at % 2 else Retry(each, 0) for at, each in enumerate(held)]
            return {each.id for each in held} - set(consumer.settle(fates).refused)

        def recover(together: threading.Barrier = together) -> set[str]:
            together.wait()
            return set(broker.recover(error=b"lost"))

        with ThreadPoolExecutor(3) as threads:
            settling, *recovering = threads.submit(settle), threads.submit(recover), threads.submit(recover)
            settled = settling.result(_PATIENCE_S)
            recovered = [each.result(_PATIENCE_S) for each in recovering]
        consumer.close()
        assert not recovered[0] & recovered[1]
        assert not settled & (recovered[0] | recovered[1])
        assert settled | recovered[0] | recovered[1] == {each.id for each in held}
    counts = broker.counts()
    assert counts.queues["default"].queued + sum(counts.final.values()) == 120
    assert counts.queues["default"].running == 0


def test_a_claim_on_its_way_is_given_back_whatever_isolation_the_database_prefers(
    postgres_url: str, await_waiter: Callable[[], Any]
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'".encode())
    with closing(SqlBroker(postgres_url, {})) as broker, ThreadPoolExecutor(1) as pool:
        broker.migrate()
        broker.publish(jobs(1))
        broker.open_lease("lease", 60)
        with broker._dialect.writing() as executor:
            transaction = Transaction(broker._dialect, broker._store.sql, executor)
            now = claiming.situation(transaction, transaction.sql.situation_held, "lease")
            assert claiming.claim(transaction, now, "lease", ["default"], 1, idle=True).deliveries
            abandoning = pool.submit(broker.abandon, "lease", reason="crashed", error=b"json:null")
            await_waiter()
        assert abandoning.result(_PATIENCE_S) == ["0"]
        assert broker.get(["0"])["0"].state == "queued"


def test_a_job_that_is_requeued_while_cancel_waits_is_cancelled(
    broker: SqlBroker, postgres_url: str, await_waiter: Callable[[], Any]
) -> None:
    broker.publish(jobs(2))
    broker.cancel(["0"])
    with psycopg.connect(postgres_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT 1 FROM treadle_live FOR UPDATE")
        cancelling = pool.submit(broker.cancel, ["0", "1"])
        await_waiter()
        assert broker.requeue(["0"]) == ["0"]
        other.rollback()
        assert cancelling.result(_PATIENCE_S) == {"0": "cancelled", "1": "cancelled"}
    assert {record.state for record in broker.get(["0", "1"]).values()} == {"cancelled"}


def test_a_job_that_ends_while_delete_waits_is_deleted(
    broker: SqlBroker, postgres_url: str, await_waiter: Callable[[], Any]
) -> None:
    broker.publish(jobs(3))
    broker.cancel(["1"])
    with psycopg.connect(postgres_url) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT 1 FROM treadle_live WHERE seq = (SELECT seq FROM treadle_job WHERE id = '2') FOR UPDATE")
        deleting = pool.submit(broker.delete, ["1", "2"])
        await_waiter()
        assert broker.requeue(["1"]) == ["1"]
        other.rollback()
        assert sorted(deleting.result(_PATIENCE_S)) == ["1", "2"]
    assert set(broker.get(["0", "1", "2"])) == {"0"}


def test_a_job_that_is_being_requeued_is_not_pruned(
    broker: SqlBroker, postgres_url: str, await_waiter: Callable[[], Any]
) -> None:
    broker.publish(jobs(1))
    broker.cancel(["0"])
    with broker._dialect.writing() as executor:
        transaction = Transaction(broker._dialect, broker._store.sql, executor)
        assert changing.requeue(transaction, ["0"]) == ["0"]
        with closing(SqlBroker(postgres_url, {})) as pruner:
            assert pruner.prune(max_age_s=-60, max_count=None) == 0
    assert broker.get(["0"])["0"].state == "queued"


def test_a_purge_waits_for_a_claim_that_looks_at_the_same_jobs(
    broker: SqlBroker, await_waiter: Callable[[], Any]
) -> None:
    broker.publish(jobs(3))
    with ThreadPoolExecutor(1) as pool:
        with broker._dialect.writing() as executor:
            executor.rows("SELECT 1 FROM treadle_live FOR UPDATE")
            purging = pool.submit(broker.purge, "default")
            await_waiter()
        assert purging.result(_PATIENCE_S) == 3


def test_what_runs_under_a_lease_that_somebody_deleted_is_recovered(broker: SqlBroker, postgres_url: str) -> None:
    broker.publish(jobs(1))
    broker.open_lease("lease", 60)
    with closing(broker.consumer("lease", ["default"])) as consumer:
        assert consumer.claim(1, idle=True).deliveries
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DELETE FROM treadle_lease")
    assert broker.recover(error=b"json:null") == ["0"]
    assert broker.get(["0"])["0"].state == "queued"


def test_nothing_is_published_for_an_empty_batch(broker: SqlBroker, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        broker.publish([], connection=connection)
        broker.publish([])
    assert broker.counts().queues == {}


@pytest.mark.parametrize("namespace", ["Shop", "x" * 33, "1st", "a-b", "naïve"])
def test_a_namespace_that_databases_would_read_differently_is_refused(postgres_url: str, namespace: str) -> None:
    with pytest.raises(ConfigurationError, match="lower-case letters"):
        SqlBroker(postgres_url, {"namespace": namespace})


def test_the_longest_names_can_be_published_to_in_a_transaction(postgres_url: str) -> None:
    options = {"namespace": "n" * 32, "postgres_schema": "s" * 63}
    with closing(SqlBroker(postgres_url, options)) as broker, psycopg.connect(postgres_url) as connection:
        broker.migrate()
        broker.publish(jobs(1), connection=connection)
        connection.commit()
        assert set(broker.get(["0"])) == {"0"}

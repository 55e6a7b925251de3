"""The connection is cut after the server has done what it was asked for, and before it could say so.

Which of a call's answers is the one after the commit is the broker's affair: the tests cut each in turn.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

from tests.harness import Report, Rig, eventually
from tests.harness.report import Row
from tests.harness.stores import SERVERS, fixture_of
from tests.servers import CuttingProxy
from treadle import Treadle
from treadle.exceptions import BrokerUnavailable
from treadle.interfaces import Broker, Consumer
from treadle.job import Delivery, Job, new_id
from treadle.settlement import Complete

T = TypeVar("T")

LEASE_S = 1.5
#: What a busy machine may add to a lease.
_PATIENCE_S = 1.0
#: No call has so many answers.
_MOST_ANSWERS = 40
_NEVER = 1_000_000
#: After so long without an answer to cut there is perhaps none left.
_QUIET_S = 0.5
JOBS = 600
#: At most so many answers between two cuts of a worker's connections: some fifteen steps of the store and what it takes
#: to connect again. With fewer hardly a step would get through, and leases would run out.
_ANSWERS_PER_CUT = {"redis": 30, "postgresql": 150, "mariadb": 300}
CHILDREN = 2
#: A cut interrupts no run. But a child that hears nothing for a lease gives up what it runs.
_STARTS_PER_CUT = 2


class Cut:
    """While it is entered, one answer from the server is kept back and its connection is cut."""

    def __init__(self, proxy: CuttingProxy, nth: int, until: bytes) -> None:
        self._proxy, self._nth, self._until = proxy, nth, until
        self._sprung = threading.Event()

    def __enter__(self) -> None:
        self._sprung = self._proxy.cut_answer(nth=self._nth, until=self._until)

    def __exit__(self, *_: object) -> None:
        self._proxy.cut_answer(nth=_NEVER)

    @property
    def has_happened(self) -> bool:
        """Whether there was such an answer."""
        return self._sprung.is_set()


class Line:
    """A broker that reaches its server through a proxy, and the rig of those who reach it without."""

    def __init__(self, rig: Rig, proxy: CuttingProxy) -> None:
        self.rig, self.proxy = rig, proxy
        self.url = proxy.url(rig.url)
        self.app = Treadle("cut off", broker=self.url, set_as_current=False)

    @property
    def broker(self) -> Broker:
        """The broker whose connections are cut."""
        return self.app.broker

    @property
    def direct(self) -> Broker:
        """A broker on the same store that is left alone."""
        return self.rig.client.app.broker

    def each_answer(self) -> Iterator[Cut]:
        """A cut of the first answer to what is then done, of the second ... until a round has none left to cut."""
        if self.rig.store == "postgresql":
            # An answer that never comes whole: the call waits until its deadline, then it is cut off.
            yield Cut(self.proxy, 1, b"COMMIT")
        for nth in range(1, _MOST_ANSWERS):
            cut = Cut(self.proxy, nth, b"")
            yield cut
            if not cut.has_happened:
                assert nth > 1, "nothing was cut at all"
                return
        pytest.fail(f"after {_MOST_ANSWERS} answers there were more to cut")

    def publish(self, count: int = 1) -> list[str]:
        """Publish jobs, undisturbed; their ids."""
        jobs = [Job(new_id(), "nobody.runs.it", b"json:[[],{}]") for _ in range(count)]
        self.direct.publish(jobs)
        return [job.id for job in jobs]


@pytest.fixture(params=SERVERS)
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Line]:
    url = request.getfixturevalue(fixture_of(request.param, "url"))
    with closing(Rig(url, tmp_path)) as rig, CuttingProxy(urlsplit(url).port or 0) as proxy:
        line = Line(rig, proxy)
        with closing(line.app):
            yield line


def test_a_publish_that_is_repeated_after_a_lost_answer_publishes_once(line: Line, report: Report) -> None:
    published: list[str] = []
    for cut in line.each_answer():
        job = Job(new_id(), "nobody.runs.it", b"json:[[],{}]")
        with cut:
            _until_answered(lambda job=job: line.broker.publish([job]))  # type: ignore[misc]
        published.append(job.id)

    with _kept_lease(line.direct) as lease, closing(line.direct.consumer(lease, ["default"])) as consumer:
        delivered = [delivery.id for delivery in consumer.claim(len(published) + 1, idle=True).deliveries]
    assert Counter(delivered) == dict.fromkeys(published, 1)
    _report(report, line, "publish", _figures(published, delivered))


def test_a_settlement_that_is_repeated_after_a_lost_answer_counts_once(line: Line, report: Report) -> None:
    witness, published = line.rig.call_witness(), list[str]()
    with _kept_lease(line.direct) as lease, closing(line.broker.consumer(lease, ["default"])) as consumer:
        for cut in line.each_answer():
            published += line.publish()
            (delivery,) = consumer.claim(1, idle=True).deliveries
            with cut:
                assert _settle(consumer, [delivery]) == []

    endings = [ending.job_id for ending in witness.endings()]
    assert Counter(endings) == dict.fromkeys(published, 1)
    assert line.direct.counts().stale_acks == 0, "a repetition is not stale"
    _report(report, line, "settle", _figures(published, endings))


def test_jobs_of_a_claim_whose_answer_was_lost_are_back_within_a_lease_that_goes_on(line: Line, report: Report) -> None:
    witness, published, longest_s = line.rig.call_witness(), list[str](), 0.0
    with _kept_lease(line.direct) as lease, closing(line.broker.consumer(lease, ["default"])) as consumer:
        for cut in line.each_answer():
            published += line.publish(3)
            with cut:
                began_s = time.monotonic()
                held = _until_answered(lambda: consumer.claim(3, idle=True).deliveries)
            held += _claim_the_rest(consumer, 3 - len(held))
            longest_s = max(longest_s, time.monotonic() - began_s)
            assert {delivery.id for delivery in held} == set(published[-3:])
            assert _settle(consumer, held) == []

    endings = [ending.job_id for ending in witness.endings()]
    assert Counter(endings) == dict.fromkeys(published, 1)
    assert {record.attempt for record in line.direct.get(published).values()} == {1}, "nobody is charged"
    _report(report, line, "claim", _figures(published, endings, longest_s))


def test_an_exchange_whose_answer_was_lost_settles_once_and_loses_no_claim(line: Line, report: Report) -> None:
    """What a worker does all day: settle, and claim the next ones in the same step."""
    witness, published, longest_s = line.rig.call_witness(), list[str](), 0.0
    with _kept_lease(line.direct) as lease, closing(line.broker.consumer(lease, ["default"])) as consumer:
        for cut in line.each_answer():
            published += line.publish(4)
            held = consumer.claim(2, idle=True).deliveries
            with cut:
                began_s = time.monotonic()
                settlements = [Complete(delivery) for delivery in held]
                answer = _until_answered(lambda: consumer.settle(settlements, claim_next=2, idle=True))  # noqa: B023
            assert answer.refused == []
            held = answer.claimed.deliveries
            held += _claim_the_rest(consumer, 2 - len(held))
            longest_s = max(longest_s, time.monotonic() - began_s)
            assert _settle(consumer, held) == []

    endings = [ending.job_id for ending in witness.endings()]
    assert Counter(endings) == dict.fromkeys(published, 1)
    assert line.direct.counts().stale_acks == 0
    _report(report, line, "settle and claim", _figures(published, endings, longest_s))


def test_a_worker_whose_connections_are_cut_again_and_again_runs_and_settles_each_job_once(
    line: Line, report: Report, dice: random.Random
) -> None:
    witness = line.rig.call_witness()
    line.rig.start_worker(broker_url=line.url, lease_s=LEASE_S, worker_concurrency=CHILDREN)
    jobs = line.rig.client.send_many("work", [(dice.uniform(5, 20),) for _ in range(JOBS)])
    line.rig.ledger.await_entry()

    cuts: list[bool] = []
    most = _ANSWERS_PER_CUT[line.rig.store]

    def all_have_ended_after_one_more_cut() -> bool:
        cuts.append(line.proxy.cut_answer(nth=dice.randint(1, most)).wait(_QUIET_S))
        return all(record.is_final for record in line.rig.client.records(jobs))

    eventually(all_have_ended_after_one_more_cut, within_s=40.0, what="the end of all jobs")
    records = line.rig.client.records(jobs)

    endings = [ending.job_id for ending in witness.endings()]
    assert sum(cuts) > CHILDREN, "the cuts came too late"
    assert {(record.state, record.attempt, record.crashes) for record in records} == {("succeeded", 1, 0)}
    assert Counter(endings) == {job.id: 1 for job in jobs}
    assert len(line.rig.ledger.entries()) - JOBS <= sum(cuts) * _STARTS_PER_CUT
    _report(report, line, f"a worker's work, {sum(cuts)} times", _figures([job.id for job in jobs], endings))


# Callers who do not give up ----------------------------------------------------------------------------


def _until_answered(call: Callable[[], T]) -> T:
    """What the call answers, repeated as callers do who were told that the broker is unavailable."""
    answers: list[T] = []

    def tried() -> bool:
        try:
            answers.append(call())
        except BrokerUnavailable:
            return False
        return True

    eventually(tried, what="an answer")
    return answers[0]


def _settle(consumer: Consumer, held: Sequence[Delivery]) -> list[str]:
    settlements = [Complete(delivery) for delivery in held]
    return _until_answered(lambda: consumer.settle(settlements)).refused


def _claim_the_rest(consumer: Consumer, missing: int) -> list[Delivery]:
    """Claim until nothing is missing any more. What was taken and never heard of must come back within a lease."""
    found: list[Delivery] = []

    def is_complete() -> bool:
        if len(found) < missing:
            found.extend(_until_answered(lambda: consumer.claim(missing - len(found), idle=True).deliveries))
        return len(found) >= missing

    eventually(is_complete, within_s=LEASE_S + _PATIENCE_S, what=f"{missing} jobs of a claim whose answer was lost")
    return found


@contextmanager
def _kept_lease(broker: Broker) -> Iterator[str]:
    """A lease that is renewed until the end, as by a supervisor that knows nothing of its child's troubles."""
    lease, over = f"worker/{new_id()}", threading.Event()
    broker.open_lease(lease, LEASE_S)

    def renew() -> None:
        while not over.wait(LEASE_S / 3):
            broker.renew([lease], LEASE_S)
            broker.recover(error=b"")

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield lease
    finally:
        over.set()
        thread.join()


def _figures(published: Sequence[str], ended: Sequence[str], longest_s: float = 0.0) -> Row:
    return {
        "jobs": len(published),
        "lost": len(set(published) - set(ended)),
        "doubled": len(ended) - len(set(ended)),
        "claimed again after s, at most": longest_s or "-",
    }


def _report(report: Report, line: Line, step: str, figures: Row) -> None:
    report.add("Connections cut before the answer", {"store": line.rig.store, "cut during": step, **figures})

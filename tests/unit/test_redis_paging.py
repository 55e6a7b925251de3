"""Pages of records, where the few and the many are found in different ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("hiredis", reason="the Redis broker needs the extra `redis`")

from treadle.brokers.redis import RedisBroker
from treadle.exceptions import ConfigurationError
from treadle.interfaces import Filter
from treadle.job import Job, Record, State
from treadle.settlement import Complete


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    broker = RedisBroker(redis_url, {"namespace": "paging"})
    yield broker
    broker.close()


def _publish(broker: RedisBroker, count: int) -> list[str]:
    ids = [f"{number:05}" for number in range(count)]
    broker.publish([Job(job_id, f"task.{int(job_id) % 7}", b"json:", priority=int(job_id) % 3) for job_id in ids])
    return ids


def _all(broker: RedisBroker, criteria: Filter, *, limit: int) -> list[Record]:
    records: list[Record] = []
    cursor = ""
    while True:
        page = broker.query(criteria, limit=limit, cursor=cursor)
        assert len(page.records) <= limit
        records += page.records
        cursor = page.next_cursor
        if not cursor:
            return records


@pytest.mark.parametrize("count", [120, 6000])
@pytest.mark.parametrize("state", [None, "queued"])
def test_pages_show_each_job_once_newest_first(broker: RedisBroker, count: int, state: State | None) -> None:
    ids = _publish(broker, count)
    assert [record.id for record in _all(broker, Filter(state=state), limit=count // 4 - 1)] == ids[::-1]


@pytest.mark.parametrize("count", [120, 6000])
def test_a_filter_that_matches_a_few_finds_them_all(broker: RedisBroker, count: int) -> None:
    ids = _publish(broker, count)
    found = _all(broker, Filter(state="queued", task="task.3"), limit=10)
    assert [record.id for record in found] == [job_id for job_id in reversed(ids) if int(job_id) % 7 == 3]


def test_jobs_that_ended_in_one_step_are_paged_each_once(broker: RedisBroker) -> None:
    ids = _publish(broker, 90)
    broker.open_lease("w/1", 60)
    consumer = broker.consumer("w/1", ["default"])
    consumer.settle([Complete(delivery) for delivery in consumer.claim(90, idle=True).deliveries])
    consumer.close()
    assert sorted(record.id for record in _all(broker, Filter(state="succeeded"), limit=7)) == ids


def test_paging_goes_on_when_the_job_at_the_cursor_is_gone(broker: RedisBroker) -> None:
    ids = _publish(broker, 20)
    page = broker.query(Filter(), limit=5)
    broker.delete([page.records[-1].id])
    rest = broker.query(Filter(), limit=100, cursor=page.next_cursor)
    assert [record.id for record in rest.records] == ids[:15][::-1]


def test_a_made_up_cursor_is_refused(broker: RedisBroker) -> None:
    with pytest.raises(ConfigurationError, match="next_cursor"):
        broker.query(Filter(), cursor="second page")

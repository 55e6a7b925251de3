"""What publishing promises."""

from __future__ import annotations

import time
from typing import cast

import pytest

from treadle.exceptions import ConfigurationError, NotSupported, TreadleError
from treadle.interfaces import Filter
from treadle.settlement import Complete
from treadle.testing.broker_contract.stage import Stage, job

_HOUR_MS = 3_600_000


class PublishCases:
    """Publish: all or none, each id once, by the store's clock."""

    def test_a_published_job_is_queued(self, stage: Stage) -> None:
        stage.publish("a", priority=7, options=b'{"x":1}')
        record = stage.record("a")
        assert (record.state, record.task, record.queue, record.priority) == ("queued", "app.task", "q", 7)
        assert (record.payload, record.options) == (b"json:[[1],{}]", b'{"x":1}')
        assert (record.attempt, record.crashes, record.receipt, record.reason) == (0, 0, 0, "")

    def test_publishing_nothing_does_nothing(self, stage: Stage) -> None:
        stage.broker.publish([])
        assert stage.broker.query(Filter()).records == []

    def test_a_batch_with_one_invalid_job_stores_nothing(self, stage: Stage) -> None:
        unstorable = job("b", payload=cast("bytes", object()))
        with pytest.raises((TreadleError, TypeError, ValueError, AttributeError)):
            stage.broker.publish([job("a"), unstorable, job("c")])
        assert stage.broker.get(["a", "b", "c"]) == {}
        assert stage.child().take_ids() == []

    def test_publishing_again_leaves_a_waiting_job_as_it_is(self, stage: Stage) -> None:
        stage.publish("a", payload=b"json:first")
        stage.publish("a", payload=b"json:second", priority=5)
        assert (stage.record("a").payload, stage.record("a").priority) == (b"json:first", 0)
        assert stage.child().take_ids() == ["a"]

    def test_publishing_again_leaves_a_running_job_as_it_is(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        delivery = child.take_one()
        stage.publish("a")
        assert child.take_ids() == []
        assert child.settle(Complete(delivery)).refused == []

    def test_publishing_again_leaves_a_final_job_as_it_is(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child()
        child.settle(Complete(child.take_one(), b"json:1"))
        stage.publish("a")
        assert (stage.state("a"), stage.record("a").result) == ("succeeded", b"json:1")
        assert child.take_ids() == []

    def test_a_batch_stores_what_is_new_and_leaves_what_is_known(self, stage: Stage) -> None:
        stage.publish("b", payload=b"json:first")
        stage.publish("a", "b", "c", payload=b"json:second")
        assert [stage.record(each).payload[5:] for each in "abc"] == [b"second", b"first", b"second"]

    def test_an_id_twice_in_a_batch_is_one_job(self, stage: Stage) -> None:
        stage.broker.publish([job("a", payload=b"json:first"), job("a", payload=b"json:second")])
        assert stage.record("a").payload == b"json:first"
        assert stage.child().take_ids() == ["a"]

    def test_a_delayed_job_is_scheduled_and_not_claimed_before_its_time(self, stage: Stage) -> None:
        stage.publish("a", delay_ms=_HOUR_MS)
        record = stage.record("a")
        assert record.state == "scheduled"
        assert record.due_ms == record.created_ms + _HOUR_MS
        assert stage.child().take_ids() == []

    def test_a_delayed_job_is_claimed_once_it_is_due(self, stage: Stage) -> None:
        stage.publish("a", delay_ms=150)
        child = stage.child()
        assert child.take_ids() == []
        assert stage.until(child.take_ids) == ["a"]
        assert stage.record("a").due_ms == 0

    def test_an_eta_in_the_past_is_due_at_once(self, stage: Stage) -> None:
        stage.publish("a", eta_ms=1)
        assert stage.state("a") == "queued"
        assert stage.child().take_ids() == ["a"]

    def test_the_later_of_delay_and_eta_holds(self, stage: Stage) -> None:
        stage.publish("a", delay_ms=_HOUR_MS, eta_ms=1)
        now_ms = stage.record("a").created_ms
        stage.publish("b", delay_ms=1, eta_ms=now_ms + _HOUR_MS)
        assert stage.record("a").due_ms == now_ms + _HOUR_MS
        assert stage.record("b").due_ms == now_ms + _HOUR_MS

    def test_the_earlier_of_two_expiries_holds(self, stage: Stage) -> None:
        stage.publish("a", ttl_ms=_HOUR_MS)
        now_ms = stage.record("a").created_ms
        assert stage.record("a").expires_ms == now_ms + _HOUR_MS
        stage.publish("b", ttl_ms=10 * _HOUR_MS, expires_ms=now_ms + _HOUR_MS)
        stage.publish("c", ttl_ms=_HOUR_MS, expires_ms=now_ms + 10 * _HOUR_MS)
        assert stage.record("b").expires_ms == now_ms + _HOUR_MS
        assert stage.record("c").expires_ms == stage.record("c").created_ms + _HOUR_MS

    def test_times_are_the_stores_whatever_the_clients_clock_says(self, stage: Stage) -> None:
        stage.publish("before")
        with pytest.MonkeyPatch.context() as patch:
            _set_clock_ahead(patch, by_s=7200)
            stage.publish("after", delay_ms=_HOUR_MS)
            delivered = stage.child().take_ids()
        assert delivered == ["before"]
        drift_ms = stage.record("after").created_ms - stage.record("before").created_ms
        assert 0 <= drift_ms < _HOUR_MS

    @pytest.mark.parametrize(
        "text", ["naïve ☃", 'it\'s "quoted"', "new\nline", "a:b{c}%s?*", "\t -- ; DROP", "a" * 255]
    )
    def test_odd_names_come_back_as_they_were(self, stage: Stage, text: str) -> None:
        stage.publish(text, queue=text, task=text)
        child = stage.child(text)
        delivery = child.take_one()
        assert (delivery.id, delivery.queue, delivery.task) == (text, text, text)
        assert child.settle(Complete(delivery)).refused == []
        record = stage.record(text)
        assert (record.id, record.queue, record.task, record.state) == (text, text, text, "succeeded")

    def test_ids_and_queues_differ_by_case(self, stage: Stage) -> None:
        stage.publish("a", queue="Q")
        stage.publish("A", queue="q")
        assert stage.child("q").take_ids() == ["A"]
        assert stage.child("Q").take_ids() == ["a"]

    @pytest.mark.parametrize("payload", [b"", bytes(range(256)), b"\x00", b"\r\n\r\n$-1"])
    def test_any_bytes_come_back_as_they_were(self, stage: Stage, payload: bytes) -> None:
        stage.publish("a", payload=payload, options=payload)
        child = stage.child()
        delivery = child.take_one()
        assert (delivery.payload, delivery.options) == (payload, payload)
        child.settle(Complete(delivery, payload))
        assert (stage.record("a").payload, stage.record("a").result) == (payload, payload)

    def test_a_payload_of_a_mebibyte_comes_back_as_it_was(self, stage: Stage) -> None:
        payload = bytes(range(256)) * 4096
        stage.publish("a", payload=payload)
        child = stage.child()
        delivery = child.take_one()
        assert delivery.payload == payload
        child.settle(Complete(delivery, payload))
        assert stage.record("a").result == payload

    def test_a_thousand_jobs_go_in_one_batch_and_keep_their_order(self, stage: Stage) -> None:
        ids = [f"{number * 7919 % 1000:04}" for number in range(1000)]
        stage.publish(*ids)
        child = stage.child()
        claimed: list[str] = []
        while batch := child.take_ids(100):
            claimed += batch
        assert claimed == ids

    def test_another_client_sees_what_was_published(self, stage: Stage) -> None:
        stage.publish("a")
        assert stage.other.get(["a"])["a"].state == "queued"
        assert stage.child(broker=stage.other).take_ids() == ["a"]

    def test_a_connection_that_cannot_be_joined_is_refused(self, stage: Stage) -> None:
        refusal = ConfigurationError if stage.broker.features.transactions else NotSupported
        with pytest.raises(refusal):
            stage.broker.publish([job("a")], connection=object())
        assert stage.state("a") == "unknown"


def _set_clock_ahead(patch: pytest.MonkeyPatch, *, by_s: int) -> None:
    """Make this process believe that it is later; the store is not told."""
    real_time, real_time_ns = time.time, time.time_ns
    patch.setattr(time, "time", lambda: real_time() + by_s)
    patch.setattr(time, "time_ns", lambda: real_time_ns() + by_s * 1_000_000_000)

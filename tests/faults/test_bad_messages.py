"""Messages that no worker can run: each ends as a failed job with its reason, and the worker goes on."""

from __future__ import annotations

import pytest

from tests.harness import Rig
from treadle import Treadle
from treadle.exceptions import TaskNotRegistered, TreadleError

BAD_PAYLOADS = {
    "nothing": b"",
    "garbage": b"\x00\xff\xfe garbage \x80",
    "cut off": b"json:[[1, 2",
    "not a call": b'json:{"not": "a call"}',
    "a serializer that is not accepted": b"pickle:\x80\x04K\x01.",
    "a serializer that does not exist": b"nosuch:[[],{}]",
}


def test_bytes_that_cannot_be_read_end_as_a_failed_job_that_keeps_them(rig: Rig) -> None:
    rig.start_worker()
    for what, payload in BAD_PAYLOADS.items():
        bad = rig.client.publish("add", payload)

        record = rig.client.await_state(bad)

        assert (record.state, record.reason) == ("failed", "undecodable"), what
        assert record.payload == payload, "a person may want to look at it"
        with pytest.raises(TreadleError):
            bad.get(timeout=1)
        assert not rig.ledger.entries("start", bad.id), what
    assert rig.client.send("add", 1, 2).get(timeout=10) == 3, "the worker goes on"


def test_an_unknown_task_ends_as_a_failed_job_that_names_it(rig: Rig) -> None:
    rig.start_worker()
    unknown = rig.client.send("ad", 1, 2)

    record = rig.client.await_state(unknown)

    assert (record.state, record.reason) == ("failed", "unregistered")
    with pytest.raises(TaskNotRegistered, match=r"'tests\.harness\.app\.ad'"):
        unknown.get(timeout=1)


def test_arguments_that_do_not_fit_are_refused_at_the_call_and_nothing_is_published(rig: Rig) -> None:
    with Treadle("caller", broker=rig.url, set_as_current=False) as app:

        @app.task
        def add(left: int, right: int) -> int:
            return left + right

        with pytest.raises(TypeError, match="right"):
            add.delay(1)  # type: ignore[call-arg]  # that is the point
        with pytest.raises(TypeError, match="middle"):
            add.delay(1, 2, middle=3)  # type: ignore[call-arg]  # that is the point

        assert not app.broker.counts().queues


def test_arguments_that_do_not_fit_and_were_sent_by_name_end_as_a_failed_job(rig: Rig) -> None:
    rig.start_worker()
    wrong = rig.client.send("add", 1)

    record = rig.client.await_state(wrong)

    assert (record.state, record.reason) == ("failed", "error")
    with pytest.raises(TypeError, match="right"):
        wrong.get(timeout=1)


def test_garbage_among_good_jobs_loses_none_of_them(rig: Rig) -> None:
    good, bad = [], []
    for number in range(100):
        good.append(rig.client.send("add", number, 1))
        bad.append(rig.client.publish("add", b"\xff" * number))
    rig.start_worker()

    assert {record.state for record in rig.client.await_all_final(good)} == {"succeeded"}
    assert {record.reason for record in rig.client.await_all_final(bad)} == {"undecodable"}

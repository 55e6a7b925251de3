"""From a call to a published job."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from treadle import Treadle, hookimpl, signals
from treadle.brokers.memory import MemoryBroker
from treadle.exceptions import (
    BrokerUnavailable,
    ConfigurationError,
    JobNotFound,
    NotSupported,
    SerializationError,
)
from treadle.job import Job
from treadle.middleware import Middleware, PublishCall
from treadle.publisher.handover import pauses_s
from treadle.publisher.times import duration_ms, instant_ms, times_of
from treadle.task import Task

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def app() -> Iterator[Treadle]:
    with Treadle("app", broker="memory://") as app:
        yield app


@pytest.fixture
def task(app: Treadle) -> Task[[int, int], int]:
    @app.task
    def add(x: int, y: int = 0) -> int:
        return x + y

    return add


def made(task: Task[..., Any], *args: Any, **options: Any) -> Job:
    """The job that a call makes, as middleware sees it."""
    seen: list[Job] = []

    class Spy(Middleware):
        def publish(self, call_next: PublishCall, jobs: Sequence[Job]) -> object:
            seen.extend(jobs)
            return call_next(jobs)

    spy = Spy()
    task.app.middleware.append(spy)
    try:
        task.apply_async(args or (1,), **options)
    finally:
        task.app.middleware.remove(spy)
    return seen[0]


class TestUsualCalls:
    """Calls that say nothing but their arguments share what was worked out for the first of them."""

    def test_each_has_an_id_and_arguments_of_its_own(self, app: Treadle, task: Task[[int, int], int]) -> None:
        first, second = made(task, 1), made(task, 2)

        assert first.id != second.id
        assert (first.payload, second.payload) == (b"json:[[1],{}]", b"json:[[2],{}]")
        assert first[3:] == second[3:]

    def test_an_option_that_changes_later_is_heeded(self, app: Treadle, task: Task[[int, int], int]) -> None:
        made(task)

        task.queue, task.priority, task.expires, task.acks_late = "slow", 7, 60, False

        assert (made(task).queue, made(task).priority, made(task).ttl_ms) == ("slow", 7, 60_000)
        assert not made(task).redeliver

    def test_a_setting_that_changes_later_is_heeded(self, app: Treadle, task: Task[[int, int], int]) -> None:
        made(task)

        app.conf.task_default_queue = "other"
        assert made(task).queue == "other"
        with app.conf.overridden(task_default_priority=5):
            assert made(task).priority == 5
        assert made(task).priority == 0

    def test_annotations_and_routes_that_come_later_are_heeded(self, app: Treadle, task: Task[[int, int], int]) -> None:
        made(task)

        app.conf.task_annotations = {task.name: {"priority": 3}}
        assert made(task).priority == 3
        app.conf.task_routes = {task.name: {"queue": "routed"}}
        assert made(task).queue == "routed"
        app.conf.task_routes = None
        assert made(task).queue == "default"

    def test_an_option_that_is_patched_or_deleted_is_heeded(self, app: Treadle, task: Task[[int, int], int]) -> None:
        made(task)

        with mock.patch.object(task, "queue", "patched"):
            assert made(task).queue == "patched"
        assert made(task).queue == "default"
        task.priority = 4
        assert made(task).priority == 4
        del task.priority
        assert made(task).priority == 0

    def test_an_option_of_the_class_may_change_or_be_worked_out_each_time(self, app: Treadle) -> None:
        tenants = ["one"]
        told: Task[..., Any] = app.register_task(
            type("Told", (Task,), {"name": "told", "queue": property(lambda _: tenants[0])})
        )
        assert app.send_task(told.name).job().queue == "one"
        tenants[0] = "two"
        assert app.send_task(told.name).job().queue == "two"

        plain: Task[..., Any] = app.register_task(type("Plain", (Task,), {"name": "plain", "priority": 1}))
        assert app.send_task("plain").job().priority == 1
        type(plain).priority = 2
        assert app.send_task("plain").job().priority == 2

    def test_a_task_of_two_apps_goes_by_the_settings_of_the_one_that_calls(self, app: Treadle) -> None:
        with Treadle("other", broker="memory://", task_default_queue="others", set_as_current=False) as other:
            task: Task[..., Any] = app.register_task(type("Both", (Task,), {"name": "both"}))
            other.tasks.add(task)

            assert other.send_task("both").job().queue == "others"
            assert app.send_task("both").job().queue == "default"
            assert other.send_task("both").job().queue == "others"

    def test_calls_with_options_leave_no_trace(self, app: Treadle, task: Task[[int, int], int]) -> None:
        usual = made(task)

        made(task, queue="slow", priority=9, countdown=5, headers={"tenant": 1}, expires=3)

        assert made(task)[3:] == usual[3:]


class TestArguments:
    @pytest.mark.parametrize("call", [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1}), ((1,), {"x": 1})])
    def test_what_does_not_fit_the_function_is_a_type_error_at_the_call(
        self, task: Task[..., Any], call: tuple[Any, Any]
    ) -> None:
        with pytest.raises(TypeError, match="add"):
            task.apply_async(*call)

    def test_a_text_is_no_list_of_arguments(self, task: Task[..., Any]) -> None:
        with pytest.raises(TypeError, match="expected a list or tuple"):
            task.apply_async("ab")

    def test_typing_off_leaves_it_to_the_worker(self, app: Treadle) -> None:
        @app.task(typing=False)
        def none() -> None: ...

        assert none.apply_async((1, 2, 3)).state == "PENDING"

    def test_what_cannot_travel_is_an_error_that_names_its_place(self, task: Task[..., Any]) -> None:
        with pytest.raises(SerializationError, match=r"args\[1\]\[\"who\"\]"):
            task.delay(1, {"who": object()})

    def test_headers_that_cannot_travel_are_an_error(self, task: Task[..., Any]) -> None:
        with pytest.raises(SerializationError, match="headers"):
            task.apply_async((1,), headers={"when": NOW})


class TestOptions:
    def test_the_call_wins_over_the_route_and_the_route_over_the_task(self, app: Treadle) -> None:
        @app.task(queue="task", priority=1)
        def f(x: int) -> int:
            return x

        assert (made(f).queue, made(f).priority) == ("task", 1)
        app.conf.task_routes = {f.name: {"queue": "route", "priority": 2}}
        assert (made(f).queue, made(f).priority) == ("route", 2)
        job = made(f, queue="call", priority=0)
        assert (job.queue, job.priority) == ("call", 0)

    def test_a_misspelt_option_is_refused_with_the_nearest(self, task: Task[..., Any]) -> None:
        with pytest.raises(ConfigurationError, match="did you mean 'countdown'"):
            task.apply_async((1,), cuontdown=3)  # type: ignore[call-arg]

    @pytest.mark.parametrize("option", ["link", "link_error"])
    @pytest.mark.parametrize("nonsense", ["x", 7, ["x"], {"name": "x"}])
    def test_a_callback_that_is_no_signature_is_refused(
        self, task: Task[..., Any], option: str, nonsense: object
    ) -> None:
        with pytest.raises(ConfigurationError, match="is no signature"):
            task.apply_async((1,), **{option: nonsense})  # type: ignore[arg-type]
        assert made(task, **{option: None}).id

    @pytest.mark.parametrize("option", ["unique_key", "exchange", "routing_key", "on_commit"])
    def test_what_is_not_there_is_refused_and_not_ignored(self, task: Task[..., Any], option: str) -> None:
        with pytest.raises(NotSupported, match=option):
            task.apply_async((1,), **{option: "x"})  # type: ignore[arg-type]
        assert made(task, **{option: None}).id

    @pytest.mark.parametrize("priority", [-101, 101, 1.5, "3", True])
    def test_a_priority_out_of_bounds_is_refused(self, task: Task[..., Any], priority: Any) -> None:
        with pytest.raises(ConfigurationError, match="-100 to 100"):
            task.apply_async((1,), priority=priority)

    @pytest.mark.parametrize("job_id", ["", "x" * 256, "a\0b", "\ud800", 7])
    def test_an_unusable_id_is_refused(self, task: Task[..., Any], job_id: Any) -> None:
        with pytest.raises(ConfigurationError, match="task_id"):
            task.apply_async((1,), task_id=job_id)

    @pytest.mark.parametrize("job_id", ["a b", "ünï/%{}", "'\"; --", "x" * 255])
    def test_an_odd_id_is_an_id(self, task: Task[..., Any], job_id: str) -> None:
        assert task.apply_async((1,), task_id=job_id).job().id == job_id

    def test_a_soft_limit_above_the_hard_one_of_the_task_is_refused(self, app: Treadle) -> None:
        @app.task(time_limit=5)
        def f() -> None: ...

        with pytest.raises(ConfigurationError, match="soft_time_limit=9"):
            f.apply_async(soft_time_limit=9)
        assert f.apply_async(soft_time_limit=9, time_limit=10).id

    def test_a_plain_call_carries_no_options(self, task: Task[..., Any]) -> None:
        assert made(task).options == b""

    def test_what_only_the_worker_needs_travels_with_the_job(self, task: Task[..., Any]) -> None:
        job = made(task, headers={"a": 1}, time_limit=9, expires=timedelta(minutes=1), eta=NOW)
        assert json.loads(job.options) == {
            "headers": {"a": 1}, "time_limit": 9, "expires": 60.0, "eta": "2030-01-01T12:00:00+00:00",
        }  # fmt: skip


class TestTimes:
    def test_an_eta_wins_over_a_countdown(self, task: Task[..., Any]) -> None:
        job = made(task, eta=NOW, countdown=5)
        assert (job.eta_ms, job.delay_ms) == (NOW_MS, 0)

    @pytest.mark.parametrize(
        "eta", [NOW, NOW.replace(tzinfo=None), NOW.isoformat(), "2030-01-01T14:00:00+02:00", "2030-01-01T12:00:00Z"]
    )
    def test_the_same_instant_may_be_written_in_many_ways(self, eta: Any) -> None:
        assert instant_ms("eta", eta, lambda: UTC) == NOW_MS

    def test_a_time_without_a_zone_is_utc_or_local_as_the_settings_say(
        self, app: Treadle, task: Task[..., Any]
    ) -> None:
        naive = NOW.replace(tzinfo=None)
        app.conf.timezone = "Europe/Berlin"
        assert made(task, eta=naive).eta_ms == NOW_MS
        app.conf.enable_utc = False
        assert made(task, eta=naive).eta_ms == NOW_MS - 3_600_000

    @pytest.mark.parametrize("countdown", [-5, 0, -float("inf"), timedelta(-1)])
    def test_a_wait_that_is_over_is_none(self, task: Task[..., Any], countdown: Any) -> None:
        assert made(task, countdown=countdown).delay_ms == 0

    @pytest.mark.parametrize("expires", [0, -5, timedelta(-1), datetime(1970, 1, 1, tzinfo=UTC)])
    def test_an_expiry_of_the_past_is_not_for_ever(self, expires: Any) -> None:
        times = times_of(None, None, expires, lambda: UTC)
        assert times.ttl_ms + times.expires_ms == 1

    @pytest.mark.parametrize("countdown", [float("nan"), "5", True, [], NOW])
    def test_what_is_no_duration_is_refused(self, task: Task[..., Any], countdown: Any) -> None:
        with pytest.raises(ConfigurationError, match="countdown"):
            task.apply_async((1,), countdown=countdown)

    @pytest.mark.parametrize("eta", ["soon", 5, "", [], "2030-13-01"])
    def test_what_is_no_time_is_refused(self, eta: Any) -> None:
        with pytest.raises(ConfigurationError, match="eta"):
            instant_ms("eta", eta, lambda: UTC)

    @given(st.floats(allow_nan=False) | st.integers() | st.timedeltas())
    def test_every_duration_fits_every_store(self, duration: Any) -> None:
        milliseconds = duration_ms("countdown", duration)
        assert abs(milliseconds) <= 10**14

    @given(st.integers(-(10**9), 10**9))
    def test_whole_seconds_are_exact(self, seconds: int) -> None:
        assert duration_ms("countdown", seconds) == seconds * 1000 == duration_ms("c", timedelta(seconds=seconds))


class TestManyAtOnce:
    def test_jobs_keep_the_order_of_their_signatures(self, app: Treadle, task: Task[..., Any]) -> None:
        results = app.publish_many((task.s(number, 1) for number in range(1201)), queue="bulk")
        records = app.broker.get([result.id for result in results])
        payloads = [app.codec.decode_call(records[result.id].payload)[0] for result in results]
        assert payloads == [[number, 1] for number in range(1201)]
        assert {record.queue for record in records.values()} == {"bulk"}

    def test_a_signature_that_is_wrong_publishes_nothing_of_its_batch(self, app: Treadle, task: Task[..., Any]) -> None:
        with pytest.raises(TypeError):
            app.publish_many([task.s(1), task.s(1, 2, 3)])
        assert app.broker.counts().queues == {}

    def test_one_id_for_all_is_refused(self, app: Treadle, task: Task[..., Any]) -> None:
        with pytest.raises(ConfigurationError, match="one id"):
            app.publish_many([task.s(1)], task_id="x")

    def test_the_asynchronous_form_gives_the_same(self, app: Treadle, task: Task[..., Any]) -> None:
        results = asyncio.run(app.apublish_many([task.s(1), task.s(2)]))
        assert [result.state for result in results] == ["PENDING", "PENDING"]

    def test_a_task_may_be_sent_by_a_name_that_is_not_known_here(self, app: Treadle) -> None:
        record = app.send_task("elsewhere.task", (1,), {"y": 2}, queue="far").job()
        assert (record.task, record.queue) == ("elsewhere.task", "far")


class TestSignals:
    @pytest.fixture
    def tracer(self) -> Iterator[list[Mapping[str, Any]]]:
        heard: list[Mapping[str, Any]] = []

        def trace(headers: dict[str, Any], **facts: Any) -> None:
            heard.append({**facts, "headers": dict(headers)})
            headers["trace"] = "abc"

        signals.before_task_publish.connect(trace)
        signals.after_task_publish.connect(trace)
        yield heard
        signals.before_task_publish.disconnect(trace)
        signals.after_task_publish.disconnect(trace)

    def test_headers_that_a_receiver_adds_travel_with_the_job(
        self, task: Task[..., Any], tracer: list[Mapping[str, Any]]
    ) -> None:
        job = made(task, 1, 2, headers={"own": 1})
        assert json.loads(job.options)["headers"] == {"own": 1, "trace": "abc"}
        before, after = tracer
        assert before["headers"] == {"id": job.id, "task": task.name, "own": 1}
        assert before["body"] == ((1, 2), {})
        assert (before["sender"], before["exchange"], before["routing_key"]) == (task.name, "", "default")
        assert after["headers"] == {"id": job.id, "task": task.name, "own": 1, "trace": "abc"}

    def test_each_job_of_many_is_announced(
        self, app: Treadle, task: Task[..., Any], tracer: list[Mapping[str, Any]]
    ) -> None:
        app.publish_many([task.s(1), task.s(2)])
        assert [heard["body"][0] for heard in tracer] == [(1,), (2,), (1,), (2,)]


class Shaky:
    """A plugin with a broker that is away for the next calls of `publish`."""

    def __init__(self, absences: int) -> None:
        self.absences = absences

    @hookimpl
    def treadle_brokers(self) -> Mapping[str, Any]:
        plugin = self

        class ShakyBroker(MemoryBroker):
            def publish(self, jobs: Sequence[Job], *, connection: Any = None) -> None:
                plugin.absences -= 1
                if plugin.absences >= 0:
                    raise BrokerUnavailable("away")
                super().publish(jobs, connection=connection)

        return {"shaky": ShakyBroker}


class TestOutages:
    AT_ONCE: Mapping[str, Any] = {"max_retries": 2, "interval_start": 0, "interval_step": 0}

    @pytest.mark.parametrize(("absences", "survives"), [(0, True), (2, True), (3, False)])
    def test_a_retry_policy_tries_that_often_again(self, absences: int, survives: bool) -> None:
        with Treadle(broker="shaky://", plugins=[Shaky(absences)]) as app:
            task = app.task(lambda_free)
            if survives:
                assert task.apply_async((1,), retry_policy=self.AT_ONCE).state == "PENDING"
            else:
                with pytest.raises(BrokerUnavailable):
                    task.apply_async((1,), retry_policy=self.AT_ONCE)

    @pytest.mark.parametrize("options", [{}, {"retry": False, "retry_policy": AT_ONCE}])
    def test_without_one_the_first_outage_reaches_the_caller(self, options: Any) -> None:
        with Treadle(broker="shaky://", plugins=[Shaky(1)]) as app, pytest.raises(BrokerUnavailable):
            app.task(lambda_free).apply_async((1,), **options)

    def test_a_misspelt_policy_is_refused(self, task: Task[..., Any]) -> None:
        with pytest.raises(ConfigurationError, match="did you mean 'max_retries'"):
            task.apply_async((1,), retry_policy={"max_retry": 3})

    @given(st.integers(0, 50), st.floats(0, 10), st.floats(0, 10), st.floats(0, 10))
    def test_pauses_grow_to_their_bound(self, retries: int, start: float, step: float, longest: float) -> None:
        policy = {"max_retries": retries, "interval_start": start, "interval_step": step, "interval_max": longest}
        pauses = list(pauses_s(policy))
        assert len(pauses) == retries
        assert pauses == sorted(pauses)
        assert all(pause <= longest for pause in pauses)


def lambda_free(x: int) -> int:
    return x


class TestTransactions:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "app.db"

    @pytest.fixture
    def sql(self, path: Path) -> Iterator[Treadle]:
        with Treadle(broker=f"sqlite:///{path}") as app:
            app.broker.migrate()
            yield app

    def test_a_job_exists_if_and_only_if_the_connections_transaction_commits(self, sql: Treadle, path: Path) -> None:
        task = sql.task(lambda_free)
        connection = sqlite3.connect(path)
        kept = task.apply_async((1,), connection=connection)
        connection.commit()
        lost = task.apply_async((1,), connection=connection)
        connection.rollback()
        connection.close()
        assert kept.state == "PENDING"
        with pytest.raises(JobNotFound):
            lost.job()

    def test_a_session_is_joined_by_one_and_by_many(self, sql: Treadle, path: Path) -> None:
        task = sql.task(lambda_free)
        engine = create_engine(f"sqlite:///{path}")
        with Session(engine) as session:
            results = [task.apply_async((1,), session=session), *sql.publish_many([task.s(2)], session=session)]
            session.commit()
        engine.dispose()
        assert [result.state for result in results] == ["PENDING", "PENDING"]

    def test_a_coroutine_may_publish_through_its_own_connection(self, sql: Treadle, path: Path) -> None:
        task = sql.task(lambda_free)

        async def publish() -> str:
            connection = sqlite3.connect(path)
            result = await task.aapply_async((1,), connection=connection)
            connection.commit()
            connection.close()
            return result.state

        assert asyncio.run(publish()) == "PENDING"

    def test_a_broker_without_transactions_refuses(self, task: Task[..., Any]) -> None:
        with pytest.raises(NotSupported, match="cannot join"):
            task.apply_async((1,), connection=object())

    def test_two_transactions_are_one_too_many(self, task: Task[..., Any]) -> None:
        with pytest.raises(ConfigurationError, match="one transaction"):
            task.apply_async((1,), connection=object(), session=object())

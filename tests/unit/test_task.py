"""Tasks, run on the spot: through everything that a worker does."""

from __future__ import annotations

import asyncio
import functools
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle import AsyncResult, Task, Treadle, current_job, signals
from treadle.exceptions import (
    ConfigurationError,
    Ignore,
    JobCancelled,
    MaxRetriesExceeded,
    Reject,
    SerializationError,
    TaskError,
)
from treadle.signature_check import argument_check


@pytest.fixture
def app() -> Iterator[Treadle]:
    with Treadle("app", broker="memory://", task_default_retry_delay=0) as app:
        yield app


class TestCalling:
    def test_a_task_is_still_the_function(self, app: Treadle) -> None:
        @app.task
        def double(x: int) -> int:
            """Twice."""
            return 2 * x

        assert double(4) == 8
        assert (vars(double)["__name__"], double.__doc__) == ("double", "Twice.")
        assert double.name.endswith("test_task.double")

    def test_called_as_a_function_there_is_no_job(self, app: Treadle) -> None:
        @app.task(bind=True)
        def ask(self: Task[..., Any]) -> bool:
            return self.request.called_directly

        assert ask()
        assert not ask.apply().get()
        with pytest.raises(ConfigurationError, match="outside a job"):
            current_job()

    def test_arguments_and_values_travel_as_they_would_to_a_worker(self, app: Treadle) -> None:
        @app.task
        def kind(x: Any) -> str:
            return type(x).__name__

        assert kind.apply(((1, 2),)).get() == "list"
        with pytest.raises(SerializationError):
            kind.apply((object(),))

    def test_always_eager_needs_no_broker(self) -> None:
        app = Treadle(broker="redis://127.0.0.1:1", task_always_eager=True)

        @app.task
        def double(x: int) -> int:
            return 2 * x

        assert double.delay(2).get() == 4
        assert [result.get() for result in app.publish_many([double.s(1), double.s(2)])] == [2, 4]
        assert asyncio.run(double.adelay(3)).get() == 6
        assert app.send_task("unknown").job().reason == "unregistered"

    def test_eager_errors_are_raised_if_the_settings_or_the_call_say_so(self, app: Treadle) -> None:
        @app.task
        def fail() -> None:
            raise LookupError("gone")

        assert fail.apply().failed()
        with pytest.raises(LookupError, match="gone"):
            fail.apply(throw=True)
        app.conf.task_eager_propagates = True
        with pytest.raises(LookupError, match="gone"):
            fail.apply()
        assert fail.apply(throw=False).failed()

    def test_a_coroutine_task_runs_eagerly_with_and_without_a_loop(self, app: Treadle) -> None:
        @app.task
        async def double(x: int) -> int:
            await asyncio.sleep(0)
            return 2 * x * current_job().attempt

        async def inside() -> int:
            return double.apply((4,)).get()

        assert double.apply((3,)).get() == 6
        assert asyncio.run(inside()) == 8

    def test_it_survives_pickling_as_the_same_task(self, app: Treadle) -> None:
        @app.task
        def double(x: int) -> int:
            return 2 * x

        assert pickle.loads(pickle.dumps(double)) is double
        assert pickle.loads(pickle.dumps(AsyncResult("id", app=app))) == AsyncResult("id")


class TestInside:
    def test_the_request_knows_the_job(self, app: Treadle) -> None:
        @app.task(bind=True, soft_time_limit=3, time_limit=5)
        def ask(self: Task[..., Any], *names: str) -> list[Any]:
            return [self.request.get(name) for name in names]

        names = ["id", "task", "args", "retries", "attempt", "is_eager", "headers", "root_id", "parent_id", "timelimit"]
        told = ask.apply(names, task_id="j", headers={"h": 1}, time_limit=4).get()
        assert told == ["j", ask.name, names, 0, 1, True, {"h": 1}, "j", None, [4, 3]]
        assert ask.apply(["group", "chord", "callbacks", "unheard_of"]).get() == [None] * 4

    def test_jobs_that_a_job_calls_know_their_family(self, app: Treadle) -> None:
        @app.task(bind=True)
        def child(self: Task[..., Any]) -> list[Any]:
            return [self.request.parent_id, self.request.root_id]

        @app.task
        def parent() -> Any:
            return child.apply().get()

        @app.task
        def grandparent() -> Any:
            return parent.apply(task_id="p").get()

        assert grandparent.apply(task_id="g").get() == ["p", "g"]

    def test_progress_is_for_the_running_job_only(self, app: Treadle) -> None:
        @app.task(bind=True)
        def f(self: Task[..., Any]) -> None:
            self.update_state(task_id="another")

        with pytest.raises(ConfigurationError, match="that job only"):
            f.apply(throw=True)

    def test_a_wrapper_of_the_tasks_class_runs_around_the_body(self, app: Treadle) -> None:
        class InContext(Task[..., Any]):
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                return ["context", super().__call__(*args, **kwargs)]

        @app.task(base=InContext)
        def double(x: int) -> int:
            return 2 * x

        assert list(double.apply((2,)).get()) == ["context", 4]  # type: ignore[call-overload]


class TestRetrying:
    def test_it_runs_again_until_it_succeeds(self, app: Treadle) -> None:
        @app.task(bind=True)
        def third_time(self: Task[..., Any]) -> int:
            if self.request.retries < 2:
                raise self.retry(countdown=0)
            return self.request.attempt

        assert third_time.apply().get() == 3

    @pytest.mark.parametrize(("exc", "raised"), [(None, MaxRetriesExceeded), (LookupError("gone"), LookupError)])
    def test_when_the_retries_are_used_up_it_fails_as_exhausted(
        self, app: Treadle, exc: Exception | None, raised: type[Exception]
    ) -> None:
        @app.task(bind=True, max_retries=2)
        def never(self: Task[..., Any]) -> None:
            self.retry(exc=exc)

        result = never.apply()
        assert (result.job().reason, result.job().attempt) == ("exhausted", 3)
        with pytest.raises(raised):
            result.get()

    def test_a_limit_of_the_call_holds_although_the_error_is_retried_by_itself(self, app: Treadle) -> None:
        @app.task(bind=True, autoretry_for=(LookupError,), max_retries=9)
        def never(self: Task[..., Any]) -> None:
            self.retry(exc=LookupError(), max_retries=1)

        assert never.apply().job().attempt == 2

    def test_a_retry_may_change_arguments_and_options(self, app: Treadle) -> None:
        @app.task(bind=True)
        def f(self: Task[..., Any], x: int) -> list[Any]:
            if x == 1:
                self.retry((2,), queue="slow", priority=7, headers={"h": 1})
            request = self.request
            return [x, request.queue, request.priority, request.headers, request.delivery_info["routing_key"]]

        assert f.apply((1,)).get() == [2, "slow", 7, {"h": 1}, "slow"]

    def test_without_throw_the_job_runs_again_once_the_run_has_returned(self, app: Treadle) -> None:
        @app.task(bind=True)
        def f(self: Task[..., Any]) -> str:
            if not self.request.retries:
                self.retry(throw=False)
                return "too early"
            return "again"

        assert f.apply().get() == "again"

    def test_an_option_that_a_retry_cannot_change_is_refused(self, app: Treadle) -> None:
        @app.task(bind=True)
        def f(self: Task[..., Any]) -> None:
            self.retry(quue="slow")

        with pytest.raises(ConfigurationError, match="did you mean 'queue'"):
            f.apply(throw=True)

    def test_arguments_of_a_retry_that_cannot_travel_fail_the_job(self, app: Treadle) -> None:
        @app.task(bind=True)
        def f(self: Task[..., Any], x: Any) -> None:
            self.retry((object(),))

        with pytest.raises(SerializationError, match=r"args\[0\]"):
            f.apply((1,), throw=True)

    def test_called_as_a_function_the_error_itself_is_raised(self, app: Treadle) -> None:
        @app.task(bind=True)
        def f(self: Task[..., Any]) -> None:
            self.retry(exc=LookupError("gone"))

        with pytest.raises(LookupError, match="gone"):
            f()


class TestEnds:
    @pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), asyncio.CancelledError()])
    def test_whatever_is_raised_ends_that_job_only(self, app: Treadle, error: BaseException) -> None:
        @app.task
        def end() -> None:
            raise error

        @app.task
        async def aend() -> None:
            raise error

        for task in (end, aend):
            with pytest.raises(TaskError, match=type(error).__name__):
                task.apply(throw=True)

    def test_the_callers_own_ctrl_c_reaches_the_caller(self, app: Treadle) -> None:
        @app.task
        def interrupted() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted.apply()

    def test_ignore_succeeds_without_a_value(self, app: Treadle) -> None:
        @app.task
        def f() -> None:
            raise Ignore

        assert (f.apply().state, f.apply().get()) == ("SUCCESS", None)

    @pytest.mark.parametrize("requeue", [False, True])
    def test_reject_fails_on_the_spot_where_there_is_no_queue_to_go_back_to(self, app: Treadle, requeue: bool) -> None:
        runs: list[int] = []

        @app.task
        def f() -> None:
            runs.append(1)
            if len(runs) < 3:  # else a loop would have no end
                raise Reject("no", requeue=requeue)

        assert f.apply(throw=False).job().reason == "rejected"
        assert runs == [1]

    def test_an_unasked_cancellation_is_a_failure(self, app: Treadle) -> None:
        @app.task
        def f() -> None:
            raise JobCancelled("by myself")

        assert f.apply().state == "FAILURE"

    def test_a_value_that_cannot_travel_fails_the_job_once_and_names_the_task(self, app: Treadle) -> None:
        runs: list[int] = []

        @app.task(autoretry_for=(Exception,))
        def f() -> object:
            runs.append(1)
            return {"it": object()}

        with pytest.raises(SerializationError, match=r"test_task\.f.*value\[\"it\"\]"):
            f.apply(throw=True)
        assert runs == [1]

    @pytest.mark.parametrize("drops", [False, True])
    def test_what_has_not_run_is_no_value(self, app: Treadle, drops: bool) -> None:
        async def later() -> int:
            return 1

        @app.task(ignore_result=drops)
        def forgot_to_await() -> Any:
            return later()

        @app.task(ignore_result=drops)
        def generator() -> Any:
            return (number for number in range(3))

        with pytest.raises(SerializationError, match="nobody awaited"):
            forgot_to_await.apply(throw=True)
        with pytest.raises(SerializationError, match="generator, which has not run"):
            generator.apply(throw=True)

    def test_a_dropped_value_leaves_the_record(self, app: Treadle) -> None:
        @app.task(ignore_result=True)
        def f() -> int:
            return 1

        assert f.apply().get(propagate=True) is None
        assert f.apply().state == "SUCCESS"
        assert f.apply(ignore_result=False).get() == 1


class TestHooks:
    @pytest.mark.parametrize(
        ("outcome", "told"),
        [
            ("value", ["before_start", "on_success", "after_return SUCCESS"]),
            ("failure", ["before_start", "on_failure", "after_return FAILURE"]),
            (
                "retry",
                [
                    "before_start",
                    "on_retry",
                    "after_return RETRY",
                    "before_start",
                    "on_success",
                    "after_return SUCCESS",
                ],
            ),
        ],
    )
    def test_they_are_told_in_order(self, app: Treadle, outcome: str, told: list[str]) -> None:
        heard: list[str] = []

        class Loud(Task[..., Any]):
            def before_start(self, *_: Any) -> None:
                heard.append("before_start")

            def on_success(self, *_: Any) -> None:
                heard.append("on_success")

            def on_retry(self, *_: Any) -> None:
                heard.append("on_retry")

            def on_failure(self, *_: Any) -> None:
                heard.append("on_failure")

            def after_return(self, status: str, *_: Any) -> None:
                heard.append(f"after_return {status}")

        @app.task(base=Loud, bind=True)
        def f(self: Task[..., Any]) -> None:
            if outcome == "failure":
                raise LookupError
            if outcome == "retry" and not self.request.retries:
                self.retry()

        f.apply()
        assert heard == told

    @pytest.mark.parametrize("hook", ["before_start", "on_failure", "after_return"])
    def test_one_that_raises_fails_the_job_with_what_it_raised(self, app: Treadle, hook: str) -> None:
        def raise_it(*_: Any) -> None:
            raise OSError("from the hook")

        base = type("Broken", (Task,), {hook: raise_it})

        @app.task(base=base)
        def f() -> None:
            if hook != "before_start":
                raise LookupError

        result = f.apply(throw=False)
        assert result.failed()
        with pytest.raises(OSError, match="from the hook"):
            result.get()

    def test_signals_are_sent_around_the_run(self, app: Treadle) -> None:
        heard: list[str] = []
        sent = [signals.task_prerun, signals.task_success, signals.task_postrun]

        def listen(signal: signals.Signal, **_: Any) -> None:
            heard.append(signal.name)

        for signal in sent:
            signal.connect(listen)
        try:
            app.task(functools.partial(int, 1).func)  # a builtin is a function too
            app.task(name="f")(_nothing).apply()
        finally:
            for signal in sent:
                signal.disconnect(listen)
        assert heard == ["task_prerun", "task_success", "task_postrun"]


def _nothing() -> None: ...


_NAMES = st.sampled_from("abcdefg")


@st.composite
def functions(draw: st.DrawFn) -> Any:
    """A function with parameters of every kind."""
    names = draw(st.lists(_NAMES, unique=True, max_size=6))
    cut, star = sorted((draw(st.integers(0, len(names))), draw(st.integers(0, len(names)))))
    default_from = draw(st.integers(0, star))
    spelt = [name if at < default_from else f"{name}=0" for at, name in enumerate(names[:star])]
    parts = [*spelt[:cut], *(["/"] if cut else []), *spelt[cut:]]
    rest = names[star:]
    if draw(st.booleans()):
        parts.append("*rest")
    elif rest:
        parts.append("*")
    parts += [f"{name}=0" if draw(st.booleans()) else name for name in rest]
    if draw(st.booleans()):
        parts.append("**more")
    return eval(f"lambda {', '.join(parts)}: None")


@given(functions(), st.lists(st.none(), max_size=7), st.dictionaries(_NAMES, st.none()))
def test_arguments_are_refused_exactly_when_python_would_refuse_them(
    function: Any, args: list[None], kwargs: dict[str, None]
) -> None:
    check = argument_check(function, "name")
    assert check is not None
    assert _accepts(check, args, kwargs) == _accepts(function, args, kwargs)


def _accepts(function: Any, args: list[None], kwargs: dict[str, None]) -> bool:
    try:
        function(*args, **kwargs)
    except TypeError:
        return False
    return True

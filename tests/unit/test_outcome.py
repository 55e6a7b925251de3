"""How a run that ended is judged, whatever hooks raise and whatever came with the job."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from treadle import Task, Treadle, signals
from treadle.execution.runner import Runner
from treadle.job import Delivery
from treadle.request import Request
from treadle.settlement import Complete, Fail, Settlement

LOGGER = "treadle.execution.outcome"


@pytest.fixture
def app() -> Iterator[Treadle]:
    with Treadle("app", broker="memory://", task_default_retry_delay=0) as app:
        yield app


def delivery_of(app: Treadle, task: str, options: bytes = b"") -> Delivery:
    return Delivery("j", task, app.codec.encode_call((), {}), "default", 0, options, 1, 0, 0, False, b"", "j")


def run(app: Treadle, task: Task[..., Any], options: bytes = b"") -> Settlement:
    runner = Runner(app)
    request = runner.prepare(delivery_of(app, task.name, options))
    return runner.run(request) if isinstance(request, Request) else request


def _nothing() -> None:
    pass


class TestHooksThatRaise:
    @pytest.mark.parametrize("hook", ["on_failure", "on_retry", "after_return"])
    def test_one_that_exits_ends_the_job_and_not_the_worker(self, app: Treadle, hook: str) -> None:
        base = type("Exits", (Task,), {hook: lambda *_: sys.exit(3)})

        @app.task(base=base, autoretry_for=(OSError,))
        def f() -> None:
            raise OSError if hook == "on_retry" else LookupError

        settlement = run(app, f)
        assert isinstance(settlement, Fail)
        assert settlement.reason == "error"

    def test_ctrl_c_in_a_hook_of_an_eager_call_is_the_callers(self, app: Treadle) -> None:
        def interrupt(*_: Any) -> None:
            raise KeyboardInterrupt

        for hook, fails in (("on_failure", True), ("on_success", False)):

            @app.task(name=hook, base=type("Interrupted", (Task,), {hook: interrupt}))
            def f(fails: bool) -> None:
                if fails:
                    raise LookupError

            with pytest.raises(KeyboardInterrupt):
                f.apply((fails,))

    @pytest.mark.parametrize("error", [OSError, SystemExit])
    @pytest.mark.parametrize("hook", ["on_success", "after_return"])
    def test_a_success_stays_one_and_is_not_run_again(
        self, app: Treadle, caplog: pytest.LogCaptureFixture, hook: str, error: type[BaseException]
    ) -> None:
        def raise_it(*_: Any) -> None:
            raise error("from the hook")

        heard: list[str] = []

        @signals.task_postrun.connect
        def listen(state: str, **_: Any) -> None:
            heard.append(state)

        @app.task(base=type("Broken", (Task,), {hook: raise_it}), autoretry_for=(Exception,))
        def f() -> int:
            return 1

        try:
            settlement = run(app, f)
        finally:
            signals.task_postrun.disconnect(listen)
        assert isinstance(settlement, Complete)
        assert app.result_codec.decode(settlement.result) == 1
        assert heard == ["SUCCESS"]
        assert "from the hook" in caplog.text

    def test_a_success_signal_that_exits_changes_nothing(self, app: Treadle) -> None:
        @signals.task_success.connect
        def leave(**_: Any) -> None:
            sys.exit(3)

        try:
            assert isinstance(run(app, app.task(name="f")(_nothing)), Complete)
        finally:
            signals.task_success.disconnect(leave)


class TestWhatCannotBeRun:
    @pytest.mark.parametrize(
        "options",
        [
            b"{",
            b"[]",
            b"\xff",
            b"null",
            b'{"time_limit":"5"}',
            b'{"time_limit":true}',
            b'{"soft_time_limit":-1}',
            b'{"time_limit":NaN}',
            b'{"time_limit":Infinity}',
            b'{"headers":[1]}',
        ],
    )
    def test_malformed_options_are_undecodable(
        self, app: Treadle, caplog: pytest.LogCaptureFixture, options: bytes
    ) -> None:
        settlement = run(app, app.task(name="f")(_nothing), options)
        assert isinstance(settlement, Fail)
        assert settlement.reason == "undecodable"
        assert_logged(caplog, "f[j]")

    @pytest.mark.parametrize("options", [b"", b"{}", b'{"time_limit":null,"soft_time_limit":0.5,"headers":{"h":1}}'])
    def test_sound_options_are_heeded(self, app: Treadle, options: bytes) -> None:
        assert isinstance(run(app, app.task(name="f")(_nothing), options), Complete)

    def test_an_unregistered_task_is_logged(self, app: Treadle, caplog: pytest.LogCaptureFixture) -> None:
        settlement = Runner(app).prepare(delivery_of(app, "nobody"))
        assert isinstance(settlement, Fail)
        assert settlement.reason == "unregistered"
        assert_logged(caplog, "nobody[j]")

    def test_an_undecodable_payload_is_logged(self, app: Treadle, caplog: pytest.LogCaptureFixture) -> None:
        app.task(name="f")(_nothing)
        settlement = Runner(app).prepare(delivery_of(app, "f")._replace(payload=b"\xff"))
        assert isinstance(settlement, Fail)
        assert settlement.reason == "undecodable"
        assert_logged(caplog, "f[j]")


def assert_logged(caplog: pytest.LogCaptureFixture, name: str) -> None:
    [record] = [each for each in caplog.records if each.name == LOGGER]
    assert record.levelno == logging.ERROR
    assert name in record.getMessage()
    assert vars(record)["names_job"] is True

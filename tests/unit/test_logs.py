"""Logging: job context in lines, and meeting what the application has set up."""

from __future__ import annotations

import io
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from treadle import signals
from treadle.exceptions import ConfigurationError
from treadle.job import Job
from treadle.logs import get_task_logger, set_up_logging
from treadle.observe.current import current_job_var
from treadle.observe.logs import (
    TASK_FORMAT,
    WORKER_FORMAT,
    JobContextFilter,
    JobFormatter,
    level_number,
    wants_colour,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = Job("42", "app.add", b"")


@dataclass
class Settings:
    worker_hijack_root_logger: bool = False
    worker_log_format: str = "plain %(message)s"
    worker_task_log_format: str = "%(task_name)s[%(task_id)s] %(message)s"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def in_job() -> Iterator[None]:
    token = current_job_var.set(JOB)
    yield
    current_job_var.reset(token)


@contextmanager
def bare_logging() -> Iterator[None]:
    """Logging as in a new process: without loggers, and without handlers (those of pytest included)."""
    root = logging.getLogger()
    manager, before = root.manager, (root.handlers, root.level, root.manager.loggerDict)
    root.handlers, manager.loggerDict = [], {}
    try:
        yield
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers, root.level, manager.loggerDict = before


def record(level: int = logging.INFO, **attributes: Any) -> logging.LogRecord:
    made = logging.LogRecord("app", level, "app.py", 1, "hello", None, None)
    vars(made).update(attributes)
    return made


class TestJobContext:
    def test_a_record_made_in_a_job_carries_its_id_and_task(self, in_job: None) -> None:
        made = record()
        assert JobContextFilter().filter(made)
        assert (made.task_id, made.task_name) == ("42", "app.add")  # type: ignore[attr-defined]

    def test_outside_of_jobs_the_attributes_exist_too(self) -> None:
        made = record()
        JobContextFilter().filter(made)
        assert (made.task_id, made.task_name) == ("-", "-")  # type: ignore[attr-defined]

    def test_what_extra_gave_is_kept(self, in_job: None) -> None:
        made = record(task_id="7", task_name="app.sub")
        JobContextFilter().filter(made)
        assert (made.task_id, made.task_name) == ("7", "app.sub")  # type: ignore[attr-defined]

    @bare_logging()
    def test_a_task_logger_stays_where_it_is_and_adds_the_context_once(self, in_job: None) -> None:
        logger = get_task_logger("shop.tasks")
        assert logger is logging.getLogger("shop.tasks")
        assert get_task_logger("shop.tasks").filters == logger.filters
        assert len(logger.filters) == 1

    @bare_logging()
    def test_a_task_loggers_records_carry_the_job_whatever_handles_them(self, in_job: None) -> None:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(task_id)s: %(message)s"))
        logging.getLogger().addHandler(handler)
        get_task_logger("shop.tasks").warning("hello")
        assert stream.getvalue() == "42: hello\n"


class TestFormats:
    def test_lines_of_jobs_and_of_the_worker_look_as_in_celery(self) -> None:
        made = record(asctime="now", processName="Main", task_id="42", task_name="app.add")
        assert TASK_FORMAT % {**vars(made), "message": "hello"} == "[now: INFO/Main] app.add[42]: hello"
        assert WORKER_FORMAT % {**vars(made), "message": "hello"} == "[now: INFO/Main] hello"

    def test_the_format_depends_on_whether_the_record_belongs_to_a_job(self) -> None:
        formatter = JobFormatter("plain %(message)s", "%(task_name)s[%(task_id)s] %(message)s")
        lines = [formatter.format(each) for each in (record(), record(task_id="-"), record(task_id="42"))]
        assert lines == ["plain hello", "plain hello", "-[42] hello"]

    def test_colours_go_by_level_and_information_has_none(self) -> None:
        formatter = JobFormatter("%(message)s", colour=True)
        lines = [formatter.format(record(level)) for level in (logging.INFO, logging.ERROR)]
        assert lines == ["hello", "\x1b[31mhello\x1b[0m"]

    @pytest.mark.parametrize(
        ("stream", "environ", "expected"),
        [
            (Terminal(), {}, True),
            (io.StringIO(), {}, False),
            (Terminal(), {"NO_COLOR": "1"}, False),
            (Terminal(), {"NO_COLOR": ""}, True),
            (Terminal(), {"TERM": "dumb"}, False),
        ],
        ids=["terminal", "file", "refused", "refusal is empty", "dumb"],
    )
    def test_there_is_colour_only_on_a_terminal_that_wants_it(
        self, stream: io.StringIO, environ: dict[str, str], expected: bool
    ) -> None:
        assert wants_colour(stream, environ) is expected

    @pytest.mark.parametrize(("level", "number"), [("info", 20), ("WARNING", 30), (15, 15)])
    def test_a_level_is_a_number_or_a_name_in_either_case(self, level: int | str, number: int) -> None:
        assert level_number(level) == number

    def test_a_misspelt_level_names_the_nearest(self) -> None:
        with pytest.raises(ConfigurationError, match="log level 'wraning' is unknown; did you mean 'WARNING'"):
            level_number("wraning")


class TestSettingUp:
    @bare_logging()
    def test_an_application_without_logging_gets_lines_on_standard_error(
        self, in_job: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        set_up_logging(None, None, None, Settings())
        logging.getLogger("shop").info("hello")
        logging.getLogger("shop").debug("not at this level")
        assert capsys.readouterr().err == "app.add[42] hello\n"

    @bare_logging()
    def test_a_logfile_may_be_rotated_by_others(self, tmp_path: Path) -> None:
        logfile = tmp_path / "worker.log"
        set_up_logging(None, "INFO", str(logfile), Settings())
        logging.getLogger("shop").info("first")
        logfile.rename(tmp_path / "worker.log.1")
        logging.getLogger("shop").info("second")
        assert (tmp_path / "worker.log.1").read_text() == "plain first\n"
        assert logfile.read_text() == "plain second\n"

    @bare_logging()
    def test_the_applications_own_handlers_and_formats_are_left_alone(
        self, in_job: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("mine %(message)s in %(task_name)s"))
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.ERROR)
        set_up_logging(None, "DEBUG", None, Settings())
        logging.getLogger("shop").error("hello")
        assert stream.getvalue() == "mine hello in app.add\n"
        assert capsys.readouterr().err == ""
        assert (logging.getLogger().handlers, logging.getLogger().level) == ([handler], logging.ERROR)
        assert logging.getLogger("treadle").level == logging.DEBUG

    @bare_logging()
    def test_handlers_of_any_logger_get_the_job_context(self, in_job: None) -> None:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter("%(task_id)s"))
        logging.getLogger("audit").addHandler(handler)
        set_up_logging(None, None, None, Settings())
        set_up_logging(None, None, None, Settings())
        logging.getLogger("audit").warning("hello")
        assert stream.getvalue() == "42\n"
        assert len(handler.filters) == 1

    @bare_logging()
    def test_hijacking_replaces_the_root_loggers_handlers(self, capsys: pytest.CaptureFixture[str]) -> None:
        stream = io.StringIO()
        logging.getLogger().addHandler(logging.StreamHandler(stream))
        set_up_logging(None, "WARNING", None, Settings(worker_hijack_root_logger=True))
        logging.getLogger("shop").warning("hello")
        assert (stream.getvalue(), capsys.readouterr().err) == ("", "plain hello\n")

    @bare_logging()
    def test_a_receiver_of_setup_logging_does_all_of_it(self) -> None:
        heard: list[Any] = []

        def mine(loglevel: object, **_: object) -> None:
            heard.append(loglevel)

        signals.setup_logging.connect(mine)
        try:
            set_up_logging(None, "INFO", None, Settings())
        finally:
            signals.setup_logging.disconnect(mine)
        assert (heard, logging.getLogger().handlers) == (["INFO"], [])

    @bare_logging()
    def test_after_it_the_loggers_are_shown_to_receivers(self) -> None:
        heard: list[Any] = []

        def receiver(logger: logging.Logger, format: str, **_: object) -> None:  # noqa: A002 - Celery's name
            heard.append((logger.name, format))

        both = (signals.after_setup_logger, signals.after_setup_task_logger)
        for signal in both:
            signal.connect(receiver)
        try:
            set_up_logging("app", "INFO", os.devnull, Settings())
        finally:
            for signal in both:
                signal.disconnect(receiver)
        assert heard == [
            ("root", Settings.worker_log_format),
            ("treadle.task", Settings.worker_task_log_format),
        ]

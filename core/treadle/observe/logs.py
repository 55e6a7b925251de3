"""Log lines that say which job they belong to, on top of whatever logging the application has set up.

Every record made while a job runs gets the attributes `task_id` and `task_name`. Where Treadle's worker
sets up logging itself they stand in each line; where the application did, its formats may use them.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Protocol, TextIO

from treadle.exceptions import ConfigurationError
from treadle.naming import nearest
from treadle.observe.current import current_job_var

#: Celery's formats.
WORKER_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"
TASK_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s"

#: What `task_id` and `task_name` are outside of jobs.
NO_JOB = "-"

_COLOURS = {logging.DEBUG: "34", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "35"}


class LogSettings(Protocol):
    """The settings that concern a worker's logging."""

    @property
    def worker_hijack_root_logger(self) -> bool:
        """Replace what the application has set up."""
        ...

    @property
    def worker_log_format(self) -> str:
        """Format of lines outside of jobs."""
        ...

    @property
    def worker_task_log_format(self) -> str:
        """Format of lines that a job causes; may use `task_id` and `task_name`."""
        ...


class JobContextFilter(logging.Filter):
    """Adds `task_id` and `task_name` of the running job to each record, unless `extra` gave them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass."""
        if not hasattr(record, "task_id"):
            job = current_job_var.get()
            record.task_id, record.task_name = (NO_JOB, NO_JOB) if job is None else (job.id, job.task)
        return True


class JobFormatter(logging.Formatter):
    """Formats a record that belongs to a job in one way, any other in another.

    A record whose text names the job already (`extra={"names_job": True}`) counts as another.
    """

    def __init__(self, fmt: str = WORKER_FORMAT, task_fmt: str = TASK_FORMAT, *, colour: bool = False) -> None:
        super().__init__(fmt)
        self._in_job = logging.Formatter(task_fmt, defaults={"task_name": NO_JOB})
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line, coloured by level if this formatter colours."""
        of_job = getattr(record, "task_id", NO_JOB) != NO_JOB and not hasattr(record, "names_job")
        line = self._in_job.format(record) if of_job else super().format(record)
        code = _COLOURS.get(record.levelno) if self._colour else None
        return f"\x1b[{code}m{line}\x1b[0m" if code else line


def get_task_logger(name: str) -> logging.Logger:
    """The logger of that name, whose records carry `task_id` and `task_name`.

    It stays where it is in the hierarchy, so the application's settings for `name` hold.
    """
    logger = logging.getLogger(name)
    _add_filter(logger)
    return logger


def configure_worker_logging(level: int | str | None, logfile: str | None, conf: LogSettings) -> None:
    """Give the worker its logging, or join in what the application has set up.

    If the root logger or `treadle` has a handler already, only the job's id and task are added to all
    handlers, and `level` is set for `treadle` alone; unless `worker_hijack_root_logger` is set, which
    replaces the root logger's handlers. Otherwise lines go to `logfile`, which may be rotated by others,
    or to standard error. `level` None means INFO, or no change. Raises ConfigurationError for an unknown level.
    """
    threshold = None if level is None else level_number(level)
    root, ours = logging.getLogger(), logging.getLogger("treadle")
    if conf.worker_hijack_root_logger or not ours.hasHandlers():
        root.handlers[:] = [_handler(logfile, conf)]
        root.setLevel(logging.INFO if threshold is None else threshold)
    elif threshold is not None:
        ours.setLevel(threshold)
    for handler in _all_handlers():
        _add_filter(handler)


def level_number(level: int | str) -> int:
    """A level as logging counts it, from a number or a name in either case."""
    if isinstance(level, int):
        return level
    known = logging.getLevelNamesMapping()
    if level.upper() in known:
        return known[level.upper()]
    raise ConfigurationError(
        f"log level {level!r} is unknown{nearest(level.upper(), known)}; known: {', '.join(known)}"
    )


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour lines: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _handler(logfile: str | None, conf: LogSettings) -> logging.Handler:
    handler: logging.Handler
    colour = False
    if logfile is None:
        handler = logging.StreamHandler(sys.stderr)
        colour = wants_colour(sys.stderr, os.environ)
    else:
        # Here, because logging.handlers loads sockets and pickle, which clients have no use for.
        from logging.handlers import WatchedFileHandler

        handler = WatchedFileHandler(logfile, encoding="utf-8")
    handler.setFormatter(JobFormatter(conf.worker_log_format, conf.worker_task_log_format, colour=colour))
    return handler


def _all_handlers() -> Iterator[logging.Handler]:
    """The handlers of every logger, the root's first."""
    root = logging.getLogger()
    yield from root.handlers
    for logger in list(root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield from logger.handlers


def _add_filter(filterer: logging.Logger | logging.Handler) -> None:
    if not any(isinstance(each, JobContextFilter) for each in filterer.filters):
        filterer.addFilter(JobContextFilter())

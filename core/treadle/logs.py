"""Logging for tasks and workers.

    from treadle.logs import get_task_logger

    log = get_task_logger(__name__)

Each line that a task logs says which job it belongs to.
"""

from __future__ import annotations

import logging

from treadle import signals
from treadle.observe.logs import LogSettings, configure_worker_logging, get_task_logger

__all__ = ["get_task_logger", "set_up_logging"]


def set_up_logging(app: object, level: int | str | None, logfile: str | None, conf: LogSettings) -> None:
    """Set up a worker's logging, unless a receiver of the signal `setup_logging` does.

    After that `after_setup_logger` is sent with the root logger and `after_setup_task_logger` with
    `treadle.task`, to which the worker writes what happens to jobs.
    """
    facts = {"loglevel": level, "logfile": logfile, "format": conf.worker_log_format, "colorize": None}
    if signals.setup_logging.send(app, **facts):
        return
    configure_worker_logging(level, logfile, conf)
    signals.after_setup_logger.send(app, logger=logging.getLogger(), **facts)
    facts["format"] = conf.worker_task_log_format
    signals.after_setup_task_logger.send(app, logger=logging.getLogger("treadle.task"), **facts)

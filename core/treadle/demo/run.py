"""The demo: start a worker, publish a job for each file, wait, add up.

This is all that an application does with Treadle; the rest of the demo is paper work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from treadle.demo.report import Outcome, Report, report_on
from treadle.demo.tasks import app, measure
from treadle.demo.worker import running_worker
from treadle.exceptions import ResultTimeout
from treadle.job import new_id
from treadle.result import AsyncResult

#: When to give up. A machine with nothing else to do needs well under a minute.
DEADLINE_S = 180.0
_CHECK_EVERY_S = 1.0


def run_demo(
    url: str, files: Sequence[Path], *, concurrency: int, on_done: Callable[[], None], may_go_on: Callable[[], None]
) -> Report:
    """Measure the files with a worker of its own on the broker at `url`; calls `on_done` after each.

    `may_go_on` is called every second or more often, and raises what is to end the demo.
    Raises TreadleError if the worker dies, ResultTimeout if it is not done in time. Worker and jobs are gone
    afterwards.
    """
    app.conf.read_command_line({"broker_url": url})
    queue = f"demo-{new_id()}"  # so that two demos on one broker do not take each other's jobs
    deadline_s = time.monotonic() + DEADLINE_S
    with app, running_worker("treadle.demo.tasks", url, queue, concurrency) as worker:
        results = app.publish_many((measure.s(str(path)) for path in files), queue=queue)
        try:
            for result in results:
                wait_for(result, [may_go_on, worker.require_alive], deadline_s)
                on_done()
            return report_on([outcome_of(path, result) for path, result in zip(files, results, strict=True)])
        finally:
            app.broker.cancel([result.id for result in results], terminate=True)
            app.broker.delete([result.id for result in results])


def wait_for(result: AsyncResult[Any], checks: Sequence[Callable[[], None]], deadline_s: float) -> None:
    """Wait until the job has ended, as long as no check raises."""
    while True:
        for check in checks:
            check()
        try:
            result.get(timeout=_CHECK_EVERY_S, propagate=False)
        except ResultTimeout:
            if time.monotonic() > deadline_s:
                raise ResultTimeout(f"the demo is not done after {DEADLINE_S:.0f} s: the machine is too busy") from None
        else:
            return


def outcome_of(path: Path, result: AsyncResult[Any]) -> Outcome:
    """What became of one file. `result.job()` is the job's whole record; nothing is asked twice."""
    record = result.job()
    value = result.result
    is_error = isinstance(value, BaseException)
    return Outcome(
        path=path,
        measures=None if is_error else value,
        error=value if is_error else None,
        reason=record.reason,
        started_ms=record.started_ms,
        finished_ms=record.finished_ms,
    )

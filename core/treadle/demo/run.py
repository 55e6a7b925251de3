"""The demo: start a worker, publish a chord (a job for each file, and one that adds up), watch it, and tell.

This is all that an application does with Treadle; the rest of the demo is paper work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from treadle import chord
from treadle.demo.report import Outcome, Report, report_on
from treadle.demo.tasks import add_up, app, measure
from treadle.demo.worker import running_worker
from treadle.exceptions import ResultTimeout
from treadle.job import new_id
from treadle.result import AsyncResult

#: When to give up. A machine with nothing else to do needs well under a minute.
DEADLINE_S = 180.0
_CHECK_EVERY_S = 0.2


def run_demo(
    url: str, files: Sequence[Path], *, concurrency: int, show: Callable[[int], None], may_go_on: Callable[[], None]
) -> Report:
    """Measure the files with a worker of its own on the broker at `url`; tells `show` how many are done.

    `may_go_on` is called every second or more often, and raises what is to end the demo.
    Raises TreadleError if the worker dies, ResultTimeout if it is not done in time. Worker and jobs are gone
    afterwards.
    """
    app.conf.read_command_line({"broker_url": url})
    queue = f"demo-{new_id()}"  # so that two demos on one broker do not take each other's jobs
    deadline_s = time.monotonic() + DEADLINE_S
    with app, running_worker("treadle.demo.tasks", url, queue, concurrency) as worker:
        # Some files are broken on purpose: the sum is to be made of all that can be measured.
        header = [measure.s(str(path)) for path in files]
        total = chord(header, add_up.s(), join="all_done").apply_async(queue=queue)
        workflow = total.workflow
        try:
            while not has_ended(total, deadline_s):
                may_go_on()
                worker.require_alive()
                show(min(workflow.progress().done, len(files)))
            show(len(files))
            outcomes = [outcome_of(path, result) for path, result in zip(files, total.parent.results, strict=True)]
            return report_on(outcomes, total.get(), workflow.draw())
        finally:
            workflow.cancel(terminate=True)
            workflow.forget()


def has_ended(result: AsyncResult[Any], deadline_s: float) -> bool:
    """Whether the job has ended, after waiting a moment for it."""
    try:
        result.get(timeout=_CHECK_EVERY_S, propagate=False)
    except ResultTimeout:
        if time.monotonic() > deadline_s:
            raise ResultTimeout(f"the demo is not done after {DEADLINE_S:.0f} s: the machine is too busy") from None
        return False
    return True


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

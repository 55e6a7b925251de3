"""The same application, with the tasks that workflows are made of, and calls that end their process as they settle."""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.harness.app import app, note
from tests.harness.kills import Point
from tests.harness.ledger import Ledger
from tests.harness.stores import store_of
from tests.harness.workflows import STEP, add_step
from treadle import current_job, signals
from treadle.interfaces import Consumer, Settled
from treadle.settlement import Settlement

__all__ = ["app"]

#: So long a step takes at most: kills must find some that run.
_STEP_S = 0.03

#: Jobs of this process that are to die as they settle, and where.
_doomed: dict[str, Point] = {}

add_step(app)


@signals.task_prerun.connect(sender=STEP)
def _note_step(**_: Any) -> None:
    note("start")
    time.sleep(random.uniform(0, _STEP_S))


@app.task
def gives(value: int, *, dies: Point | None = None, fails: bool = False) -> int:
    note("start")
    _doom(dies)
    if fails:
        raise ValueError(value)
    return value


@app.task
def total(values: list[int], *, dies: Point | None = None, fails: bool = False) -> int:
    value: int = gives.run(sum(values), dies=dies, fails=fails)
    return value


@app.task
def alarm(failed: str, *, dies: Point | None = None) -> str:
    note("start")
    _doom(dies)
    return failed


# How they die ------------------------------------------------------------------------------------------


class Mortal:
    """A consumer in whose settlements the process dies where a job asked for that, once."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def settle(self, settlements: Sequence[Settlement], *, claim_next: int = 0, idle: bool = False) -> Settled:
        """Settle, or die on the way."""
        doomed = next((each.delivery.id for each in settlements if each.delivery.id in _doomed), None)
        if doomed is not None:
            point = _doomed[doomed]
            _ledger().write(doomed, point)
            if point == "unsent":
                _die()
            if point in {"sent", "stored"}:
                _die_on_the_way(self._consumer, point)
        answer = self._consumer.settle(settlements, claim_next=claim_next, idle=idle)
        if doomed is not None:
            _die()
        return answer


@signals.worker_process_init.connect
def _make_mortal(**_: Any) -> None:
    broker: Any = app.broker
    make = broker.consumer
    broker.consumer = lambda lease, queues: Mortal(make(lease, queues))


def _doom(point: Point | None) -> None:
    """Let the process die when the job that runs here is settled, unless one has died of that already."""
    job_id = current_job().id
    if point is not None and not _ledger().entries(point, job_id):
        _doomed[job_id] = point


def _die_on_the_way(consumer: Any, point: Point) -> None:
    """Let the next call of the store end this process, before the store's answer is read."""
    if store_of(app.broker.safe_url) == "redis":

        def send(connection: Any, commands: Any, deadline: float) -> None:
            connection.send(commands, deadline=deadline)
            if point == "stored":
                select.select([connection], [], [])
            _die()

        consumer._client._round_trip = send
        return
    store = consumer._store
    attempt = store._attempt

    def write(work: Any, open_: Any) -> None:
        def work_or_die(transaction: Any) -> Any:
            answer = work(transaction)
            return _die() if point == "sent" else answer

        attempt(work_or_die, open_)
        _die()

    store._attempt = write


def _ledger() -> Ledger:
    return Ledger(Path(os.environ["LEDGER"]))


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives that")

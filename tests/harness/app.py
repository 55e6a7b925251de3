"""The application that the tests' workers run. Its tasks write to the ledger, and then behave or misbehave."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from pathlib import Path
from typing import Any

from tests.harness.ledger import Ledger
from treadle import Task, Treadle, current_job
from treadle.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from treadle.logs import get_task_logger

app = Treadle("tests", imports=["tests.harness.batch_tasks", "tests.harness.awaiting_tasks"])

STEP_S = 0.01
_hoard: list[bytes] = []


def note(word: str) -> None:
    """Append a line to the ledger for the job that runs here."""
    Ledger(Path(os.environ["LEDGER"])).write(current_job().id, word)


def is_open(gate: str) -> bool:
    """Whether the test lets jobs pass that wait at this path."""
    return Path(gate).exists()


# Well-behaved ------------------------------------------------------------------------------------------


@app.task
def add(left: int, right: int) -> int:
    note("start")
    return left + right


@app.task
async def aadd(left: int, right: int) -> int:
    note("start")
    await asyncio.sleep(0)
    return left + right


@app.task
def work(duration_ms: float) -> int:
    note("start")
    time.sleep(duration_ms / 1000)
    return os.getpid()


@app.task
async def awork(duration_ms: float) -> int:
    note("start")
    await asyncio.sleep(duration_ms / 1000)
    return os.getpid()


@app.task
def until(gate: str) -> str:
    note("start")
    while not is_open(gate):
        time.sleep(STEP_S)
    note("end")
    return "opened"


@app.task
async def auntil(gate: str) -> str:
    note("start")
    while not is_open(gate):  # noqa: ASYNC110 - another process opens the gate
        await asyncio.sleep(STEP_S)
    note("end")
    return "opened"


@app.task
def first_waits(*gates: str) -> int:
    """Waits at the first gate in its first run, at the second in its second, and so on."""
    # Counted first: who is stopped right after the line was written must not count those who start meanwhile.
    run = 1 + len(Ledger(Path(os.environ["LEDGER"])).entries("start", current_job().id))
    note("start")
    while run <= len(gates) and not is_open(gates[run - 1]):
        time.sleep(STEP_S)
    return run


# Limits and cancellation -------------------------------------------------------------------------------


@app.task
def cleans_up() -> str:
    note("start")
    try:
        while True:
            time.sleep(STEP_S)
    except SoftTimeLimitExceeded:
        note("cleaned")
        return "cleaned"


@app.task
async def acleans_up() -> None:
    note("start")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        note("cleaned")
        raise


@app.task
def never_ends() -> None:
    note("start")
    while True:
        time.sleep(STEP_S)


@app.task
async def anever_ends() -> None:
    note("start")
    await asyncio.Event().wait()


@app.task
def cannot_be_interrupted() -> None:
    note("start")
    while True:
        try:
            while True:
                time.sleep(STEP_S)
        except BaseException:  # noqa: BLE001 - bad manners are the point
            note("shrugged")


# Poison ------------------------------------------------------------------------------------------------


@app.task
def exits(code: int) -> None:
    note("start")
    os._exit(code)


@app.task
def segfaults() -> None:
    note("start")
    ctypes.string_at(0)


@app.task
def swells(mebibytes: int) -> None:
    """Takes memory and keeps it until somebody intervenes."""
    note("start")
    hoard = b"x" * (mebibytes << 20)
    while hoard:
        time.sleep(STEP_S)


@app.task
def grows(mebibytes: int) -> int:
    """Leaves its process larger than it was."""
    note("start")
    _hoard.append(b"x" * (mebibytes << 20))
    return len(_hoard)


# Outcomes ----------------------------------------------------------------------------------------------


class Watched(Task[..., Any]):
    """Writes each hook to the ledger."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        note("before_start")

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        note("on_success")

    def on_retry(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: str) -> None:
        note(f"on_retry:{type(exc).__name__}")

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: str) -> None:
        note(f"on_failure:{type(exc).__name__}")

    def after_return(self, status: str, *_: Any) -> None:
        note(f"after_return:{status}")


@app.task(base=Watched)
def watched(what: str) -> str:
    note("start")
    if what == "raise":
        raise ValueError(what)
    if what == "exit":
        os._exit(3)
    while what == "hang":
        time.sleep(STEP_S)
    return what


@app.task(base=Watched, bind=True, max_retries=2)
def retries_itself(self: Task[..., Any], succeed_at: int) -> int:
    note("start")
    if self.request.retries < succeed_at:
        raise self.retry(exc=ValueError(f"not yet: {self.request.retries}"), countdown=0)
    return self.request.retries


@app.task(autoretry_for=(KeyError,), max_retries=2, retry_backoff=0.1, retry_jitter=False)
def retries_by_itself() -> None:
    note("start")
    raise KeyError("missing")


@app.task(bind=True)
def reports(self: Task[..., Any], gate: str) -> str:
    self.update_state(state="BAKING", meta={"percent": 40})
    note("start")
    while not is_open(gate):
        time.sleep(STEP_S)
    return "baked"


@app.task
def ignores() -> str:
    raise Ignore


@app.task
def rejects() -> str:
    note("start")
    raise Reject("not for me")


@app.task
def tells_who_it_is(name: str) -> list[str]:
    job = current_job()
    note(name)
    return [job.id, job.task, job.queue]


@app.task
def logs(text: str) -> None:
    get_task_logger(__name__).info(text)

"""Tasks that await other jobs, of the application that the tests' workers run."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from tests.harness.app import app, note
from tests.harness.ledger import Ledger
from treadle import AsyncResult, Batch, current_job
from treadle.request import Request

_TASKS = "tests.harness.app."


@app.task(name="tests.harness.app.awaits")
async def awaits(task: str, *args: Any) -> Any:
    """Calls a task, and gives what that gives."""
    note("start")
    handle = await asyncio.to_thread(app.send_task, _TASKS + task, args)
    note(f"awaits-{handle.id}")
    value = await handle
    assert current_job().args == [task, *args], "the job that waited is current again"
    return value


@app.task(name="tests.harness.app.awaits_many")
async def awaits_many(count: int) -> int:
    """Calls as many tasks at once, and adds up what they give."""
    handles = [await asyncio.to_thread(app.send_task, _TASKS + "aadd", (number, 1)) for number in range(count)]
    return sum(await asyncio.gather(*handles))


@app.task(name="tests.harness.app.climbs")
async def climbs(height: int) -> int:
    """Awaits a job of its own kind, and that another, and so on."""
    if not height:
        return 0
    below: AsyncResult[int] = await asyncio.to_thread(app.send_task, _TASKS + "climbs", (height - 1,))
    return 1 + await below


@app.task(name="tests.harness.app.batch_that_awaits", batch=Batch(size=3, wait_s=60))
async def batch_that_awaits(requests: list[Request]) -> list[Any]:
    handles = [await asyncio.to_thread(app.send_task, _TASKS + "aadd", request.args) for request in requests]
    return await asyncio.gather(*handles)


@app.task(name="tests.harness.app.awaits_what_never_ends")
async def awaits_what_never_ends(id: str) -> None:
    note("start")
    try:
        await app.AsyncResult(id).aget()
    except asyncio.CancelledError:
        Ledger(Path(os.environ["LEDGER"])).write(current_job().id, "cleaned")
        raise

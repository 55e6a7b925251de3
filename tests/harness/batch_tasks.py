"""Batch tasks of the application that the tests' workers run."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from tests.harness.app import STEP_S, app, is_open
from tests.harness.ledger import Ledger
from treadle import Batch
from treadle.exceptions import SoftTimeLimitExceeded
from treadle.request import Request


def note_batch(requests: list[Request], word: str = "start") -> None:
    """Append a line for each job of a batch, and one that says how many they are."""
    ledger = Ledger(Path(os.environ["LEDGER"]))
    for request in requests:
        ledger.write(request.id, word)
    if word == "start":
        ledger.write("-", f"batch-of-{len(requests)}")


def batch_outcomes(requests: list[Request]) -> list[Any]:
    """What each job asks for: an error, or its number doubled."""
    note_batch(requests)
    wishes = [request.args[0] for request in requests]
    if "raise all" in wishes:
        raise KeyError("all of them")
    outcomes = [ValueError("this one") if wish == "raise" else 2 * wish for wish in wishes]
    return outcomes[1:] if "too few" in wishes else outcomes


@app.task(name="tests.harness.app.batch", batch=Batch(size=20, wait_s=0.3))
def batch(requests: list[Request]) -> list[Any]:
    return batch_outcomes(requests)


@app.task(name="tests.harness.app.abatch", batch=Batch(size=20, wait_s=0.3))
async def abatch(requests: list[Request]) -> list[Any]:
    await asyncio.sleep(0)
    return batch_outcomes(requests)


@app.task(
    name="tests.harness.app.batch_that_retries",
    batch=Batch(size=20, wait_s=0.3),
    autoretry_for=(KeyError,),
    max_retries=1,
    default_retry_delay=0,
)
def batch_that_retries(requests: list[Request]) -> list[Any]:
    return batch_outcomes(requests)


@app.task(name="tests.harness.app.patient_batch", batch=Batch(size=20, wait_s=60))
def patient_batch(requests: list[Request]) -> None:
    note_batch(requests)


@app.task(name="tests.harness.app.batch_until", batch=Batch(size=10, wait_s=60))
def batch_until(requests: list[Request]) -> list[bool]:
    """Waits for the gate; says who was cancelled meanwhile."""
    note_batch(requests)
    told: set[str] = set()
    while not is_open(requests[0].args[0]):
        new = [request for request in requests if request.cancelled and request.id not in told]
        note_batch(new, "told")
        told.update(request.id for request in new)
        time.sleep(STEP_S)
    return [request.cancelled for request in requests]


@app.task(name="tests.harness.app.batch_that_hangs_once", batch=Batch(size=10, wait_s=60))
def batch_that_hangs_once(requests: list[Request]) -> list[int]:
    """The first call of ten never ends; later ones do, however few jobs they get."""
    note_batch(requests)
    while len(requests) == 10:
        time.sleep(STEP_S)
    return [len(requests)] * len(requests)


@app.task(name="tests.harness.app.batch_that_reports", batch=Batch(size=10, wait_s=0.3))
def batch_that_reports(requests: list[Request]) -> None:
    for number, request in enumerate(requests):
        request.update_state("BAKING", {"number": number})
    note_batch(requests)
    while not is_open(requests[0].args[0]):
        time.sleep(STEP_S)


@app.task(name="tests.harness.app.hangs_in_company", batch=Batch(size=10, wait_s=0.3))
def hangs_in_company(requests: list[Request]) -> None:
    note_batch(requests)
    while len(requests) > 1:
        time.sleep(STEP_S)


@app.task(name="tests.harness.app.batch_with_a_soft_limit", batch=Batch(size=10, wait_s=0.3), soft_time_limit=0.3)
def batch_with_a_soft_limit(requests: list[Request]) -> list[str]:
    note_batch(requests)
    try:
        while True:
            time.sleep(STEP_S)
    except SoftTimeLimitExceeded:
        return ["cleaned"] * len(requests)

"""The application of the soak: half of its jobs succeed at once, the others fail, are retried or are cancelled."""

from __future__ import annotations

from treadle import Treadle, current_job

app = Treadle("soak")


@app.task
def succeeds(number: int) -> int:
    return number


@app.task
def fails(number: int) -> None:
    raise ValueError(f"job {number} fails, as it was made to")


@app.task(autoretry_for=(LookupError,), max_retries=3, retry_backoff=0.1)
def succeeds_later(number: int) -> int:
    if not current_job().retries:
        raise LookupError(f"job {number} is retried once")
    return number


@app.task
def is_cancelled(number: int) -> int:
    return number

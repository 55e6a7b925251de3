"""Runs a job on the spot, through everything that a worker does: for tests and `task_always_eager`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.execution.runner import Runner
from treadle.job import Delivery, Job, Record
from treadle.result import EagerResult, eager_record
from treadle.settlement import Cancel, Complete, Fail, Retry, Settlement

if TYPE_CHECKING:
    from treadle.app import Treadle


def run_eagerly(app: Treadle, job: Job) -> EagerResult[Any]:
    """Run `job` to its end; retries follow one another without waiting."""
    runner = Runner(app, hostname="eager", is_eager=True)
    delivery = _first_delivery(job)
    while True:
        request = runner.prepare(delivery)
        settlement = request if isinstance(request, Fail) else runner.run(request)
        if not isinstance(settlement, Retry):
            return EagerResult(_record(job, delivery, settlement), app=app)
        delivery = _next_delivery(delivery, settlement)


def _first_delivery(job: Job) -> Delivery:
    return Delivery(
        id=job.id,
        task=job.task,
        payload=job.payload,
        queue=job.queue,
        priority=job.priority,
        options=job.options,
        receipt=1,
        attempt=0,
        crashes=0,
        suspect=False,
        verdict=b"",
        key=job.id,
    )


def _next_delivery(delivery: Delivery, settlement: Retry) -> Delivery:
    return delivery._replace(
        attempt=delivery.attempt + 1,
        receipt=delivery.receipt + 1,
        payload=delivery.payload if settlement.payload is None else settlement.payload,
        options=delivery.options if settlement.options is None else settlement.options,
        queue=delivery.queue if settlement.queue is None else settlement.queue,
        priority=delivery.priority if settlement.priority is None else settlement.priority,
    )


def _record(job: Job, delivery: Delivery, settlement: Settlement) -> Record:
    outcome: dict[str, Any] = {
        "queue": delivery.queue,
        "priority": delivery.priority,
        "payload": delivery.payload,
        "options": delivery.options,
        "attempt": delivery.attempt + 1,
    }
    match settlement:
        case Complete():
            outcome.update(state="succeeded", result=settlement.result)
        case Fail():
            outcome.update(state="failed", reason=settlement.reason, error=settlement.error)
        case Cancel():
            outcome.update(state="cancelled", reason=settlement.reason, error=settlement.error)
        case _:  # released: the run was interrupted, and there is nobody to give it back to
            outcome.update(state="cancelled", reason="revoked")
    return eager_record(job.id, job.task, **outcome)

"""Runs jobs on the spot, in a store of their own, through everything that a worker does: for tests and
`task_always_eager`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from treadle.execution.runner import Runner
from treadle.interfaces import Broker, Consumer, Filter
from treadle.result import EagerResult
from treadle.settlement import Cancel, Fail, Release

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.job import Job

_LEASE = "eager"
_LONGER_THAN_ANY_RUN_S = 10.0**9


def run_eagerly(app: Treadle, job: Job) -> EagerResult[Any]:
    """Run one job to its end, retries and replacements included."""
    store = run_jobs(app, [job])
    return EagerResult[Any](store.get([job.id])[job.id], app=app).kept_in(store)


def run_jobs(app: Treadle, jobs: Sequence[Job]) -> Broker:
    """Run jobs, and all that follows them, to their ends; the store that has their records. Nothing is waited for."""
    broker = app.plugins.broker_factory("memory")("memory://", {})
    broker.open_lease(_LEASE, _LONGER_THAN_ANY_RUN_S)
    broker.publish(jobs)
    runner = Runner(app, hostname="eager", is_eager=True, store=broker)
    while _run_next(runner, broker) or _hasten(broker):
        pass
    return broker


def _run_next(runner: Runner, broker: Broker) -> bool:
    """Run one job that can be run; False if there is none."""
    consumer: Consumer = broker.consumer(_LEASE, list(broker.counts().queues))
    deliveries = consumer.claim(1, idle=True).deliveries
    for delivery in deliveries:
        request = runner.prepare(delivery)
        settlement = request if isinstance(request, Fail) else runner.run(request)
        if isinstance(settlement, Release):
            # The run was interrupted, and there is nobody to give it back to.
            settlement = Cancel(delivery, "revoked")
        consumer.settle([settlement])
    return bool(deliveries)


def _hasten(broker: Broker) -> bool:
    """Let the scheduled job that is due first run now; False if there is none."""
    scheduled = broker.query(Filter(state="scheduled")).records
    return bool(scheduled and broker.requeue([min(scheduled, key=lambda record: record.due_ms).id]))

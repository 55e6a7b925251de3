"""The signals around publishing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle import signals
from treadle.request import decode_options, encode_options

if TYPE_CHECKING:
    from treadle.job import Job
    from treadle.publisher.call import Call


def announced(job: Job, call: Call) -> Job:
    """Send before_task_publish. What receivers put into `headers` travels with the job."""
    options = decode_options(job.options)
    headers: dict[str, Any] = {"id": job.id, "task": job.task, **options.get("headers", {})}
    signals.before_task_publish.send(
        job.task, body=(call.args, call.kwargs), exchange="", routing_key=job.queue, headers=headers
    )
    own = {name: value for name, value in headers.items() if name not in ("id", "task")}
    return job._replace(options=encode_options({**options, "headers": own or None}))


def announce_published(job: Job, call: Call) -> None:
    """Send after_task_publish."""
    headers = {"id": job.id, "task": job.task, **decode_options(job.options).get("headers", {})}
    signals.after_task_publish.send(
        job.task, body=(call.args, call.kwargs), exchange="", routing_key=job.queue, headers=headers
    )

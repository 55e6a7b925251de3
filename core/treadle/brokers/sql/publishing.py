"""Publishing: jobs become rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from treadle.job import Job


def chunks(jobs: Sequence[Job], most_jobs: int, most_bytes: int) -> list[Sequence[Job]]:
    """The jobs in their order, in pieces of so many jobs and bytes at most; a larger job is a piece by itself."""
    found: list[Sequence[Job]] = []
    start = size = 0
    for end, job in enumerate(jobs):
        length = len(job.payload) + len(job.options)
        if end > start and (end - start == most_jobs or size + length > most_bytes):
            found.append(jobs[start:end])
            start, size = end, 0
        size += length
    return [*found, jobs[start:]] if jobs else []


def job_row(job: Job, now_ms: int) -> tuple[Any, ...]:
    """The row of the job table. It is due at `now_ms` if it need not wait."""
    return (
        job.id, job.task, job.queue, job.priority, job.payload, job.options, now_ms,
        due_ms(job, now_ms), expires_ms(job, now_ms), job.redeliver,
    )  # fmt: skip


def due_ms(job: Job, now_ms: int) -> int:
    """When the job may start: the later of its delay and its ETA, never in the past."""
    return max(now_ms + job.delay_ms, job.eta_ms, now_ms)


def expires_ms(job: Job, now_ms: int) -> int:
    """When the job must not start any more: the earlier of its limits, 0 for never."""
    limits = [limit for limit in (now_ms + job.ttl_ms if job.ttl_ms else 0, job.expires_ms) if limit]
    return min(limits, default=0)

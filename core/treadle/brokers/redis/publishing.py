"""Jobs as the flat arguments of the `publish` script, checked and cut into steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from treadle.brokers.redis.client import Client
from treadle.brokers.redis.records import ON_LETTERS
from treadle.brokers.redis.settling import CHUNK
from treadle.exceptions import ConfigurationError
from treadle.job import MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_PRIORITY, MIN_PRIORITY, Job

#: Above this a step is cut, so that one call fits well into its deadline.
_MAX_STEP_BYTES = 8 << 20

#: The values after the queue of a job that says nothing of its own.
_USUAL = Job("", "", b"")[4:]

Arguments: TypeAlias = list[str | bytes | int]


def batches_of(jobs: Sequence[Job]) -> list[Arguments]:
    """The arguments of each step. Raises ConfigurationError before anything is stored."""
    batches: list[Arguments] = []
    flat: Arguments = []
    count, size = CHUNK, 0
    for job in jobs:
        payload, options = job.payload, job.options
        if not _is_storable(job):
            raise ConfigurationError(f"job {job.id!r} cannot be stored: {_why_not(job)}; nothing was published")
        size += len(payload) + len(options)
        if count == CHUNK or size > _MAX_STEP_BYTES:
            flat = [0, 0]
            batches.append(flat)
            count, size = 0, len(payload) + len(options)
        count += 1
        flat[0] = count
        usual = job[4:] == _USUAL
        if usual:
            flat += (job.id, job.task, job.queue, payload, 0)
        else:
            flat[1] = flat[1] or int(job.waits_or_leads)
            flat += _with_all(job)
    return batches


def require_known(answer: int | tuple[bytes, bytes]) -> None:
    """Raise ConfigurationError if that is what the script answered: a job names another one that nobody knows."""
    if not isinstance(answer, int):
        id, name = answer
        raise _unknown(id.decode(), name.decode())


def require_names(client: Client, jobs: Sequence[Job]) -> None:
    """Raise ConfigurationError if one of the jobs names one that is neither known nor before it."""
    own: set[str] = set()
    namers: dict[str, str] = {}
    for job in jobs:
        if job.edges or job.after:
            for name in (*(edge.target for edge in job.edges), *(after.source for after in job.after)):
                if name not in own:
                    namers.setdefault(name, job.id)
        own.add(job.id)
    names = list(namers)
    for at in range(0, len(names), CHUNK):
        chunk = names[at : at + CHUNK]
        found = client.run([("EXISTS", client.key(f"job:{name}")) for name in chunk])
        for name, is_known in zip(chunk, found, strict=True):
            if not is_known:
                raise _unknown(namers[name], name)


def _unknown(id: str, name: str) -> ConfigurationError:
    return ConfigurationError(f"job {id!r} leads to {name!r} or waits for it, which is not known: publish it first")


def _with_all(job: Job) -> Arguments:
    times = job.delay_ms, job.eta_ms, job.ttl_ms, job.expires_ms
    unusual = job.priority, job.options, *times, 1 if job.redeliver else 0
    kind = 2 if job.waits_or_leads else 1
    flat: Arguments = [job.id, job.task, job.queue, job.payload, kind, *unusual]
    if kind == 1:
        return flat
    flat += (job.need, job.spare, int(job.is_join), job.workflow, len(job.edges))
    for edge in job.edges:
        flat += (edge.target, edge.place, ON_LETTERS[edge.on], int(edge.grows))
    flat.append(len(job.after))
    for after in job.after:
        flat += (after.source, after.place, ON_LETTERS[after.on])
    return flat


def _is_storable(job: Job) -> bool:
    return (
        type(job.payload) is bytes
        and type(job.options) is bytes
        and 0 < len(job.id) <= MAX_ID_LENGTH
        and 0 < len(job.task) <= MAX_NAME_LENGTH
        and 0 < len(job.queue) <= MAX_NAME_LENGTH
        and MIN_PRIORITY <= job.priority <= MAX_PRIORITY
    )


def _why_not(job: Job) -> str:
    for name in ("payload", "options"):
        if type(getattr(job, name)) is not bytes:
            return f"{name} must be bytes"
    if not MIN_PRIORITY <= job.priority <= MAX_PRIORITY:
        return f"priority {job.priority} is not within {MIN_PRIORITY} and {MAX_PRIORITY}"
    return f"id, task and queue must have 1 to {MAX_NAME_LENGTH} characters"

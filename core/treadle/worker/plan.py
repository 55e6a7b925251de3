"""What a worker is to be: decided from the command line and the application's settings, before it starts."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from treadle.exceptions import ConfigurationError
from treadle.naming import nearest


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """How many children of which kind, for which queues, within which limits."""

    hostname: str
    queues: tuple[str, ...]
    pool: str
    #: How many processes.
    children: int
    #: How many jobs each runs at a time.
    concurrency: int
    grace_s: float
    prefetch_limit: int | None = None
    max_jobs: int | None = None
    max_memory_kib: int | None = None
    memory_limit_kib: int | None = None
    max_crashes: int = 3

    def assignment(self, number: int, lease: str, board_offset: int) -> dict[str, Any]:
        """What child `number` is told."""
        return {
            "number": number,
            "lease": lease,
            "hostname": self.hostname,
            "queues": list(self.queues),
            "pool": self.pool,
            "concurrency": self.concurrency,
            "prefetch_limit": self.prefetch_limit,
            "max_jobs": self.max_jobs,
            "max_memory_kib": self.max_memory_kib,
            "board_offset": board_offset,
        }


def worker_name(pattern: str | None) -> str:
    """The worker's name: `%h` is the host's full name, `%n` the part of it before the first dot, `%d` the rest.

    As with Celery, a name without `@` gets `@host`; the default is `treadle@%h`.
    """
    host = socket.gethostname()
    short, _dot, domain = host.partition(".")
    name = pattern or "treadle@%h"
    if "@" not in name:
        name += "@%h"
    return name.replace("%h", host).replace("%n", short).replace("%d", domain).replace("%%", "%")


def chosen_queues(known: list[str], declared: list[str], include: list[str], exclude: list[str]) -> tuple[str, ...]:
    """The queues to take from: those asked for (globs allowed), else all known ones, less those excluded.

    Raises ConfigurationError for a name that is not declared, if queues are declared, and for an empty choice.
    """
    for name in (*include, *exclude):
        if declared and not any(fnmatchcase(queue, name) for queue in declared):
            message = f"queue {name!r} is not one of task_queues{nearest(name, declared)}"
            raise ConfigurationError(message)
    chosen: list[str] = []
    for name in include or known:
        is_glob = any(mark in name for mark in "*?[")
        chosen += [queue for queue in known if fnmatchcase(queue, name)] if is_glob else [name]
    kept = [queue for queue in dict.fromkeys(chosen) if not any(fnmatchcase(queue, name) for name in exclude)]
    if not kept:
        message = (
            f"no queue is left to take from: known are {', '.join(known)}; excluded are {', '.join(exclude) or 'none'}"
        )
        raise ConfigurationError(message)
    return tuple(kept)


def processes_and_slots(pool: str, concurrency: int | None) -> tuple[int, int]:
    """How many children, and how many slots in each, for a pool and `worker_concurrency` (default: one per CPU)."""
    count = concurrency if concurrency is not None else available_cpus()
    if pool == "prefork":
        return count, 1
    if pool == "solo":
        return 1, 1
    return 1, count


def available_cpus() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

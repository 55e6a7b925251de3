"""`treadle worker`"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.cli.pidfile import Pidfile
from treadle.cli.values import flat, names
from treadle.exceptions import ConfigurationError, NotSupported

P = ParamSpec("P")
R = TypeVar("R")

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: Options that stand for settings, and the names of these.
_SETTINGS = {
    "concurrency": "worker_concurrency",
    "pool": "worker_pool",
    "time_limit": "task_time_limit",
    "soft_time_limit": "task_soft_time_limit",
    "max_tasks_per_child": "worker_max_tasks_per_child",
    "max_memory_per_child": "worker_max_memory_per_child",
    "grace": "worker_grace_s",
    "prefetch": "worker_prefetch_multiplier",
}

#: Options of Celery whose part of the engine is not there yet: refused by name, never silently accepted.
_NOT_YET = {
    "beat": "-B: this version runs no schedules",
    "no_scheduler": "--no-scheduler: this version runs no schedules, so there is none to leave out",
    "autoscale": "--autoscale: this version keeps the number of children that -c says",
    "health_port": "--health-port: this version answers no health checks",
}


def _refused(*spellings: str, is_flag: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    return click.option(*spellings, is_flag=is_flag, default=None, hidden=True)


@click.command("worker", cls=Command)
@click.option(
    "-Q", "--queues", type=names, metavar="NAMES", multiple=True, help="Take jobs from these only; globs too."
)
@click.option("-X", "--exclude-queues", type=names, metavar="NAMES", multiple=True, help="Take none from these.")
@click.option("-c", "--concurrency", type=click.IntRange(1), metavar="N", help="Jobs at a time. Default: one per CPU.")
@click.option("-P", "--pool", metavar="POOL", help="How jobs are run: prefork, threads, asyncio, solo, or a plugin's.")
@click.option("-n", "--hostname", metavar="NAME", help="The worker's name; %h: host, %n: its first part, %d: the rest.")
@click.option("-l", "--loglevel", type=click.Choice(_LEVELS, case_sensitive=False), default="INFO", show_default=True)
@click.option("-f", "--logfile", metavar="FILE", help="Write log lines there; it may be rotated.")
@click.option("--pidfile", metavar="FILE", help="Keep the process id there; refuse to start if it names a live one.")
@click.option("--burst", is_flag=True, help="Stop as soon as nothing is queued or running.")
@click.option("--reload", is_flag=True, help="Start over whenever a Python file changes. For development.")
@click.option("--time-limit", type=click.FloatRange(0, min_open=True), metavar="S", help="Kill jobs after S seconds.")
@click.option("--soft-time-limit", type=click.FloatRange(0, min_open=True), metavar="S", help="Raise in jobs after S.")
@click.option("--max-tasks-per-child", type=click.IntRange(1), metavar="N", help="Replace a child after N jobs.")
@click.option("--max-memory-per-child", type=click.IntRange(1), metavar="KIB", help="Replace a child above this.")
@click.option("--grace", type=click.FloatRange(0), metavar="S", help="Time for running jobs to end when stopped.")
@click.option("--prefetch", type=click.IntRange(1), metavar="N", help="Claim at most N jobs ahead per slot.")
@_refused("-B", "--beat", is_flag=True)
@_refused("--no-scheduler", is_flag=True)
@_refused("--autoscale")
@_refused("--health-port")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    *,
    queues: tuple[tuple[str, ...], ...],
    exclude_queues: tuple[tuple[str, ...], ...],
    hostname: str | None,
    loglevel: str,
    logfile: str | None,
    pidfile: str | None,
    burst: bool,
    reload: bool,
    **others: Any,
) -> int:
    """Run jobs until told to stop: TERM or Ctrl-C lets running jobs end, a second one does not wait for them."""
    _refuse_what_is_not_there(others)
    if not invocation.app_path:
        raise ConfigurationError(
            "a worker needs the application whose tasks it runs: name it with -A module:app, or TREADLE_APP; "
            "without, it would take jobs that it cannot run and fail them"
        )
    from treadle.worker.start import WorkerOptions, run_worker  # the engine; other commands do without

    options = WorkerOptions(
        app=invocation.app_path,
        workdir=str(Path.cwd()),
        settings=worker_settings(invocation, others),
        queues=flat(queues),
        exclude_queues=flat(exclude_queues),
        hostname=hostname,
        level=loglevel.upper(),
        logfile=logfile,
        burst=burst,
        reload=reload,
        quiet=invocation.quiet or invocation.as_json,
    )
    with Pidfile(Path(pidfile)) if pidfile else contextlib.nullcontext():
        return run_worker(options)


def worker_settings(invocation: Invocation, given: dict[str, Any]) -> dict[str, Any]:
    """The settings that the options stand for; only those that were given."""
    settings = {**invocation.settings, **{name: given[option] for option, name in _SETTINGS.items()}}
    return {name: value for name, value in settings.items() if value is not None}


def _refuse_what_is_not_there(given: dict[str, Any]) -> None:
    for option, why in _NOT_YET.items():
        if given[option] is not None and given[option] is not False:
            raise NotSupported(f"{why}; leave the option out")

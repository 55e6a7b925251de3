"""Starts a worker: from what the command line said to a running supervisor, or a solo process."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from treadle.exceptions import ConfigurationError, NotSupported
from treadle.observe.logs import configure_worker_logging
from treadle.plugins import Plugins
from treadle.settings import Settings
from treadle.worker.banner import banner
from treadle.worker.burst import Burst
from treadle.worker.plan import WorkerPlan, chosen_queues, processes_and_slots, worker_name
from treadle.worker.solo import run_solo
from treadle.worker.supervisor.keeper import LEASE_S, Keeper, Retention
from treadle.worker.supervisor.supervisor import Supervisor
from treadle.worker.supervisor.template_host import Loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from treadle.interfaces import Broker

logger = logging.getLogger(__name__)

#: Set by tests that cannot wait for a real lease to run out. Not a setting: nothing is gained by tuning it.
_LEASE_VARIABLE = "_TREADLE_LEASE_S"


class WorkerOptions(NamedTuple):
    """What the command line said about a worker; None leaves it to the settings."""

    app: str = ""
    workdir: str = ""
    #: Settings given on the command line (`broker_url`, `worker_concurrency`, limits ...).
    settings: Mapping[str, Any] = MappingProxyType({})
    queues: tuple[str, ...] = ()
    exclude_queues: tuple[str, ...] = ()
    hostname: str | None = None
    level: str = "INFO"
    logfile: str | None = None
    burst: bool = False
    reload: bool = False
    quiet: bool = False


def run_worker(options: WorkerOptions) -> int:
    """Run a worker until it is told to stop; answers the exit code. Raises TreadleError if it cannot start."""
    if sys.platform == "win32":
        raise NotSupported("a worker needs POSIX processes and signals; on Windows, run it under WSL")
    lease_s = float(os.environ.get(_LEASE_VARIABLE, LEASE_S))
    configure_worker_logging(options.level, options.logfile, Settings())
    supervisor = Supervisor(_order(options))
    try:
        loaded = supervisor.load()
        plan = plan_worker(options, loaded.facts)
        forks = _may_fork(loaded)
        broker = _shared_broker(loaded.facts)
        _announce(options, plan, loaded, broker, forks=forks)
        make_keeper = partial(
            Keeper, broker, retention=_retention(loaded.facts), max_crashes=plan.max_crashes, lease_s=lease_s
        )
        burst = Burst(broker, plan.queues) if options.burst else None
        if plan.pool == "solo":
            return run_solo(_order(options), plan, broker, make_keeper, burst)
        return _supervise(options, supervisor, plan, make_keeper, forks=forks, burst=burst)
    finally:
        supervisor.close()


def _supervise(
    options: WorkerOptions,
    supervisor: Supervisor,
    plan: WorkerPlan,
    make_keeper: Callable[..., Keeper],
    *,
    forks: bool,
    burst: Burst | None,
) -> int:
    keeper = make_keeper(renewable=supervisor.renewable_leases, on_renewed=supervisor.on_renewed)
    if burst is not None:
        burst.watch(lambda: supervisor.reactor.call_soon(lambda: supervisor.stop("burst", plan.grace_s)))
    if options.reload:
        from treadle.worker.reload import watch_files, watched_folders  # needs watchfiles, which is an extra

        folders = watched_folders(options.workdir, options.app)
        watch_files(folders, lambda: supervisor.reactor.call_soon(supervisor.reload))
    return supervisor.run(plan, keeper, forks=forks)


def _order(options: WorkerOptions) -> dict[str, Any]:
    """What the processes of the worker are told about the application and its logging."""
    return {
        "loading": {"app": options.app, "settings": dict(options.settings), "workdir": options.workdir},
        "level": options.level,
        "logfile": options.logfile,
    }


def _announce(options: WorkerOptions, plan: WorkerPlan, loaded: Loaded, broker: Broker, *, forks: bool) -> None:
    """Bring the store's schema up to date where it does so by itself, and show the banner."""
    for done in broker.make_ready():
        logger.info("%s: %s", broker.safe_url, done)
    for problem in broker.check():
        logger.warning("%s: %s", broker.safe_url, problem)
    _try_lease(broker, plan.hostname)
    if not options.quiet:
        sys.stdout.write(banner(plan, loaded.facts, broker.safe_url, forks=forks) + "\n")
        sys.stdout.flush()


def plan_worker(options: WorkerOptions, facts: dict[str, Any]) -> WorkerPlan:
    """What the worker is to be, from the command line and what the template reported."""
    settings = facts["settings"]
    pool = settings["worker_pool"]
    if pool == "solo" and facts["has_hard_limits"]:
        raise ConfigurationError(
            "the solo pool cannot enforce time_limit, because nobody outside could kill the run: "
            "use -P prefork, or remove the hard limits"
        )
    children, concurrency = processes_and_slots(pool, settings["worker_concurrency"])
    queues = chosen_queues(facts["queues"], facts["declared"], list(options.queues), list(options.exclude_queues))
    return WorkerPlan(
        hostname=worker_name(options.hostname),
        queues=queues,
        pool=pool,
        children=children,
        concurrency=concurrency,
        grace_s=settings["worker_grace_s"],
        prefetch_limit=_prefetch_limit(settings["worker_prefetch_multiplier"], concurrency),
        max_jobs=settings["worker_max_tasks_per_child"],
        max_memory_kib=settings["worker_max_memory_per_child"],
        memory_limit_kib=settings["worker_memory_limit"],
        max_crashes=settings["worker_max_crashes"],
    )


def _shared_broker(facts: dict[str, Any]) -> Broker:
    url = facts["broker_url"]
    plugins = Plugins(disabled=facts["plugins_disabled"])
    broker = plugins.broker_factory(url.partition(":")[0])(url, facts["broker_options"])
    if not broker.features.shared:
        raise NotSupported(
            f"{broker.safe_url} lives in one process, so a worker would see none of its jobs: "
            "use sqlite://, redis:// or another broker that processes can share"
        )
    return broker


def _try_lease(broker: Broker, hostname: str) -> None:
    """Find out now, where it ends the start with a clear error, whether the store takes leases at all."""
    lease = f"{hostname}/start.{os.getpid()}.{os.urandom(3).hex()}"
    broker.open_lease(lease, LEASE_S)
    broker.abandon(lease, reason="released", error=b"")


def _may_fork(loaded: Loaded) -> bool:
    method = loaded.facts["settings"]["worker_start_method"]
    if method == "spawn" or sys.platform != "linux":
        return False
    if loaded.unsafe and method == "fork":
        raise ConfigurationError(f"worker_start_method is 'fork', but {loaded.unsafe}")
    if loaded.unsafe:
        logger.warning("children are spawned, not forked, because %s", loaded.unsafe)
    return not loaded.unsafe


def _retention(facts: dict[str, Any]) -> Retention:
    settings = facts["settings"]
    return Retention(
        settings["result_expires"] or None, settings["failed_expires"] or None, settings["result_max_count"]
    )


def _prefetch_limit(multiplier: int | None, concurrency: int) -> int | None:
    return multiplier * concurrency if multiplier else None

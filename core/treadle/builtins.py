"""Treadle's own brokers, serializers and pools, and the worker's signals: a plugin like anybody's.

Everything is named by its import path, so nothing is loaded before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from treadle import signals
from treadle.hookspecs import App, hookimpl

_REDIS = "treadle.brokers.redis:RedisBroker"
_SQL = "treadle.brokers.sql:SqlBroker"


@hookimpl
def treadle_brokers() -> Mapping[str, str]:
    """The brokers of this distribution."""
    return {
        "memory": "treadle.brokers.memory:MemoryBroker",
        "sqlite": _SQL,
        "postgresql": _SQL,
        "postgresql+psycopg": _SQL,
        "postgres": _SQL,
        "mysql": _SQL,
        "mysql+pymysql": _SQL,
        "mariadb": _SQL,
        "mariadb+pymysql": _SQL,
        "redis": _REDIS,
        "rediss": _REDIS,
        "redis+unix": _REDIS,
        "redis+sentinel": _REDIS,
        "redis+cluster": _REDIS,
    }


@hookimpl
def treadle_serializers() -> Mapping[str, str]:
    """The serializers of this distribution."""
    return {
        "json": "treadle.serialization.json:JsonSerializer",
        "msgpack": "treadle.serialization.msgpack:MsgpackSerializer",
        "pickle": "treadle.serialization.pickle:PickleSerializer",
        "yaml": "treadle.serialization.yaml:YamlSerializer",
    }


@hookimpl
def treadle_pools() -> Mapping[str, str]:
    """The pools of this distribution."""
    return {
        "prefork": "treadle.worker.pools.prefork:PreforkPool",
        "threads": "treadle.worker.pools.threads:ThreadsPool",
        "asyncio": "treadle.worker.pools.asyncio:AsyncioPool",
        "solo": "treadle.worker.pools.solo:SoloPool",
    }


@hookimpl
def treadle_worker_starting(app: App) -> None:
    """Send worker_init."""
    signals.worker_init.send(app)


@hookimpl
def treadle_worker_ready(app: App) -> None:
    """Send worker_ready."""
    signals.worker_ready.send(app)


@hookimpl
def treadle_child_started(app: App) -> None:
    """Send worker_process_init."""
    signals.worker_process_init.send(app)


@hookimpl
def treadle_child_stopped(app: App) -> None:
    """Send worker_process_shutdown; a child that can still say so ends with exit code 0."""
    signals.worker_process_shutdown.send(app, pid=os.getpid(), exitcode=0)


@hookimpl
def treadle_worker_stopping(app: App) -> None:
    """Send worker_shutting_down."""
    signals.worker_shutting_down.send(app)


@hookimpl
def treadle_worker_stopped(app: App) -> None:
    """Send worker_shutdown."""
    signals.worker_shutdown.send(app)

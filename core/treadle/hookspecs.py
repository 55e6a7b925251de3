"""Where plugins step in: every hook, with what it gives or is told.

    from treadle import hookimpl

    @hookimpl
    def treadle_brokers():
        return {"carrier-pigeon": "pigeons.treadle:PigeonBroker"}

A plugin is a module or an object with such functions, announced under the entry-point group `treadle`
or passed to the app. Hooks are called when something is set up or changes state, never once per job.
All are synchronous. A hook may leave out parameters that it does not need.

Something registered by name may be given as `"module:attribute"`: it is then imported when it is first
used, so a plugin costs nothing to those who have it installed and do not use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pluggy

from treadle.interfaces import BrokerFactory, Pool, Router, Serializer
from treadle.middleware import Middleware

PROJECT = "treadle"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# The `Treadle` object: it stands floors above this module, so its class cannot be named here.
App: TypeAlias = Any
# A `click.Command`: click is imported by the command line alone.
Command: TypeAlias = Any

SerializerFactory: TypeAlias = Callable[[], Serializer]
PoolFactory: TypeAlias = Callable[..., Pool]


# What there is to choose from --------------------------------------------------------------------------


@hookspec
def treadle_brokers() -> Mapping[str, BrokerFactory | str]:  # type: ignore[empty-body]
    """Brokers by URL scheme (`redis`, `redis+sentinel`): what makes one from a URL and options."""


@hookspec
def treadle_serializers() -> Mapping[str, SerializerFactory | str]:  # type: ignore[empty-body]
    """Serializers by name: what makes one, without arguments. The serializer's own `name` is the same."""


@hookspec
def treadle_pools() -> Mapping[str, PoolFactory | str]:  # type: ignore[empty-body]
    """Pools by name, as in `treadle worker -P NAME`."""


@hookspec
def treadle_commands() -> Sequence[Command]:  # type: ignore[empty-body]
    """Commands and groups of click to add below `treadle`."""


# What the app is made of -------------------------------------------------------------------------------


@hookspec
def treadle_configure(app: App) -> None:
    """The app's settings have been read, and nothing was built from them yet: the time to change them."""


@hookspec
def treadle_middleware(app: App) -> Sequence[Middleware]:  # type: ignore[empty-body]
    """Middleware to add to the app, outermost first. It stands outside what the app adds itself."""


@hookspec
def treadle_routers(app: App) -> Sequence[Router]:  # type: ignore[empty-body]
    """Routers to ask after those of the setting `task_routes`."""


# The life of a worker ----------------------------------------------------------------------------------
# In the processes that have imported the application; the supervisor has no user code.


@hookspec
def treadle_worker_starting(app: App) -> None:
    """The application has been imported; no child runs yet. Open no connections: children are forked from here."""


@hookspec
def treadle_worker_ready(app: App) -> None:
    """The worker's children run and claim jobs."""


@hookspec
def treadle_child_started(app: App) -> None:
    """In a child, before it claims anything: open here what jobs share."""


@hookspec
def treadle_child_stopped(app: App) -> None:
    """In a child that ends in good order, after its last job. A killed child says nothing."""


@hookspec
def treadle_worker_stopping(app: App) -> None:
    """The worker was told to stop; running jobs may still end within the grace time."""


@hookspec
def treadle_worker_stopped(app: App) -> None:
    """The last child has ended; close here what `treadle_worker_starting` opened."""

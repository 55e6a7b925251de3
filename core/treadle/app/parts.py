"""The parts of an app: each is made, and its modules are loaded, when it is first needed.

A web process defines hundreds of tasks and may never publish a job: a definition must load no broker, no
codec, no plugin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from treadle.app.discovery import project_folder
from treadle.exceptions import NotSupported
from treadle.registry import TaskRegistry
from treadle.routing import Routes
from treadle.settings import Settings, import_object
from treadle.task import Task

if TYPE_CHECKING:
    from datetime import tzinfo
    from types import TracebackType
    from typing import Self

    from treadle.app.app import Treadle
    from treadle.app.control import Control
    from treadle.interfaces import Broker
    from treadle.middleware import MiddlewareStack
    from treadle.plugins import Plugins
    from treadle.publisher import Publisher
    from treadle.publisher.workflows import Workflows
    from treadle.serialization import Codec
    from treadle.waiting import Waiting

#: Parts that are made from settings, and so are made anew when these change.
_FROM_SETTINGS = ("codec", "declared_queues", "naive_zone", "result_codec", "routes", "seen_queues")


class Parts:
    """What an app is made of. Nothing connects before it must."""

    #: The class of tasks that name no `base`. Subclass it, or replace it before tasks are defined.
    Task: type[Task[..., Any]] = Task

    def __init__(self, name: str | None, settings: Mapping[str, Any], plugins: Iterable[object]) -> None:
        self.name = name
        #: Another object after each change of the settings, to tell what was made before it.
        self.terms = object()
        self.conf = Settings(settings)
        self.conf.read_environment(os.environ)
        self.conf.on_change(self._follow_settings)
        self._given_plugins = tuple(plugins)
        self.tasks = TaskRegistry(self._whole)
        self._broker: Broker | None = None
        self._broker_terms: tuple[str, dict[str, Any]] | None = None

    # Made when they are first needed -------------------------------------------------------------------

    @cached_property
    def plugins(self) -> Plugins:
        """What extends this app; built-in parts come through the same door."""
        from treadle.plugins import Plugins

        # Known as a part before the plugins are told, because they may ask for it.
        plugins = vars(self)["plugins"] = Plugins(self._given_plugins, disabled=self.conf.plugins_disabled)
        plugins.fire("treadle_configure", app=self._whole)
        return plugins

    @cached_property
    def publisher(self) -> Publisher:
        """Makes jobs of calls."""
        from treadle.publisher import Publisher

        return Publisher(self._whole)

    @cached_property
    def workflows(self) -> Workflows:
        """Publishes what is more than one job."""
        from treadle.publisher.workflows import Workflows

        return Workflows(self._whole)

    @cached_property
    def waiting(self) -> Waiting:
        """Waits for results."""
        from treadle.waiting import Waiting

        return Waiting(lambda: self.broker)

    @cached_property
    def control(self) -> Control:
        """Orders to all workers."""
        from treadle.app.control import Control

        return Control(self._whole)

    @cached_property
    def codec(self) -> Codec:
        """Encodes and decodes arguments as the settings say."""
        from treadle.app.codecs import task_codec

        return task_codec(self.plugins, self.conf)

    @cached_property
    def result_codec(self) -> Codec:
        """Encodes and decodes results and progress as the settings say."""
        from treadle.app.codecs import result_codec

        return result_codec(self.plugins, self.conf)

    @cached_property
    def middleware(self) -> MiddlewareStack:
        """What is wrapped around publishing and around running: the plugins' first, then the app's own."""
        from treadle.middleware import MiddlewareStack

        return MiddlewareStack(self.plugins.middleware(self._whole))

    @cached_property
    def routes(self) -> Routes:
        """Where jobs go, by the `task_routes` setting."""
        configured = self.conf.task_routes
        # A mapping or a single router, but for a list of them.
        routers: list[Any] = [*configured] if type(configured) in (list, tuple) else [configured]
        routers += self.plugins.routers(self._whole)
        return Routes([each for each in routers if each is not None], import_object=import_object)

    @cached_property
    def naive_zone(self) -> tzinfo:
        """The zone of datetimes that name none: UTC, or with `enable_utc` off that of the `timezone` setting."""
        from zoneinfo import ZoneInfo

        return ZoneInfo("UTC" if self.conf.enable_utc else self.conf.timezone)

    @property
    def broker(self) -> Broker:
        """Where jobs wait. Made on first use, from the `broker_url` setting; another URL makes another broker."""
        if self._broker is None:
            factories = self.plugins
            if self.conf.result_backend not in (None, self.conf.broker_url):
                raise NotSupported("result_backend: results are kept by the broker's own store; leave it unset")
            url, options = self._broker_terms = self._wanted_broker()
            self._broker = factories.broker_factory(url.partition(":")[0])(url, options)
        return self._broker

    @cached_property
    def embedded_url(self) -> str:
        """The URL of the embedded default, a SQLite file. Says so on standard error, once."""
        url = f"sqlite:///{project_folder(Path.cwd()) / 'treadle.sqlite3'}"
        sys.stderr.write(f"treadle: no broker_url is set, using {url}\n")
        return url

    # Their life ----------------------------------------------------------------------------------------

    def close(self) -> None:
        """Drop all connections. The app may be used again."""
        if "waiting" in vars(self):
            self.waiting.close()
        if self._broker is not None:
            self._broker.close()

    @property
    def _whole(self) -> Treadle:
        """The app that these are the parts of."""
        return cast("Treadle", self)

    def _wanted_broker(self) -> tuple[str, dict[str, Any]]:
        return self.conf.broker_url or self.embedded_url, self.conf.broker_options()

    def _follow_settings(self) -> None:
        """Settings have changed: what was made from them holds no longer."""
        self.terms = object()
        for part in _FROM_SETTINGS:
            vars(self).pop(part, None)
        self.tasks.follow_settings()
        if self._broker is not None and self._broker_terms != self._wanted_broker():
            self.close()
            self._broker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio  # loaded by whoever can await this

        await asyncio.to_thread(self.close)

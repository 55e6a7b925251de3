"""The plugins of one app: found, checked, and asked through typed methods.

Built-ins, plugins of installed distributions (entry-point group `treadle`) and plugins given to the app
are treated alike. Where several register the same name, the app's own win over installed ones, and
those over built-ins. A plugin that is broken is reported and skipped; it never takes the app down.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import pluggy

import treadle
from treadle import builtins, hookspecs
from treadle.exceptions import ConfigurationError
from treadle.hookspecs import PROJECT, App, Command, PoolFactory, SerializerFactory
from treadle.interfaces import BrokerFactory, Router, Serializer
from treadle.middleware import Middleware, check_middleware
from treadle.naming import nearest

BUILTINS = "builtins"

_log = logging.getLogger(__name__)


class PluginInfo(NamedTuple):
    """One line of `treadle plugins`."""

    name: str
    #: Empty for a plugin that was given to the app.
    distribution: str
    version: str
    #: Names of the hooks it implements.
    hooks: tuple[str, ...]
    #: What is wrong with it, in one sentence; empty if all is well.
    problem: str

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.name!r} ({f'{self.distribution} {self.version}'.strip() or 'given to the app'})"


class _Registered(NamedTuple):
    """Something that a plugin registered by name: itself, or its import path."""

    plugin: str
    thing: object


class Plugins:
    """Loads plugins when it is made, asks each hook when its answers are first needed, and keeps them.

    `given` are modules, objects or import paths. `disabled` are names of plugins that are not even
    imported. `entry_points` replaces what is installed, for tests.
    """

    def __init__(
        self,
        given: Iterable[object] = (),
        *,
        disabled: Collection[str] = (),
        entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
    ) -> None:
        self._infos: dict[str, PluginInfo] = {}
        self._registered: dict[str, dict[str, _Registered]] = {}
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        found = importlib.metadata.entry_points(group=PROJECT) if entry_points is None else entry_points
        candidates = list(_candidates(given, found))
        for info, load in candidates:
            if info.name not in disabled:
                self._register(info, load)
        names = {info.name for info, _ in candidates}
        for name in sorted(set(disabled) - names):
            _log.warning("plugins_disabled names %r, but there is no such plugin%s", name, nearest(name, names))
        # pluggy calls the last registered first: the app's own, then installed ones, then built-ins.
        self._hooks: dict[str, tuple[pluggy.HookImpl, ...]] = {
            name: tuple(reversed(getattr(self._pluggy.hook, name).get_hookimpls())) for name in _hook_names()
        }

    def loaded(self) -> list[PluginInfo]:
        """All plugins that were found, broken ones included."""
        return list(self._infos.values())

    @property
    def problems(self) -> list[str]:
        """One sentence for each plugin with a problem."""
        return [f"plugin {info.label}: {info.problem}" for info in self._infos.values() if info.problem]

    def brokers(self) -> dict[str, BrokerFactory | str]:
        """Broker factories, or their import paths, by URL scheme."""
        registered = self._by_name("treadle_brokers")
        return {name: cast("BrokerFactory | str", entry.thing) for name, entry in registered.items()}

    def broker_factory(self, scheme: str) -> BrokerFactory:
        """What makes brokers for URLs of this scheme. Raises ConfigurationError if nothing (usable) does."""
        return cast("BrokerFactory", _load("broker for URL scheme", scheme, self._by_name("treadle_brokers")))

    def serializer(self, name: str) -> Serializer:
        """A new serializer. Raises ConfigurationError if there is none of that name, or it cannot be imported."""
        return cast("SerializerFactory", _load("serializer", name, self._by_name("treadle_serializers")))()

    def serializers(self) -> dict[str, Serializer]:
        """New serializers of all names, as a codec wants them. What cannot be made is reported and left out."""
        made: dict[str, Serializer] = {}
        for name, entry in self._by_name("treadle_serializers").items():
            try:
                made[name] = self.serializer(name)
            except Exception as error:  # noqa: BLE001 - somebody's plugin; the app goes on without its serializer
                self._report(entry.plugin, f"serializer {name!r} cannot be made: {error}", error)
        return made

    def pools(self) -> dict[str, PoolFactory | str]:
        """Pool factories, or their import paths, by name."""
        return {name: cast("PoolFactory | str", entry.thing) for name, entry in self._by_name("treadle_pools").items()}

    def pool(self, name: str) -> PoolFactory:
        """What makes pools of this name. Raises ConfigurationError if nothing (usable) does."""
        return cast("PoolFactory", _load("worker pool", name, self._by_name("treadle_pools")))

    def commands(self) -> list[Command]:
        """Commands of click to add to the command line."""
        return self._several("treadle_commands", _check_command)

    def middleware(self, app: App) -> list[Middleware]:
        """Middleware that plugins add to this app, outermost first."""
        return self._several("treadle_middleware", check_middleware, app=app)

    def routers(self, app: App) -> list[Router]:
        """Routers that plugins add to this app."""
        return self._several("treadle_routers", _check_callable, app=app)

    def fire(self, hook: str, **facts: Any) -> None:
        """Tell all plugins of an event (`treadle_configure`, `treadle_child_started` ...), with all its parameters."""
        self._ask(hook, facts)

    def _by_name(self, hook: str) -> dict[str, _Registered]:
        """What plugins registered through a hook. It is asked once."""
        if hook not in self._registered:
            self._registered[hook] = self._collect(hook)
        return self._registered[hook]

    def _collect(self, hook: str) -> dict[str, _Registered]:
        registered: dict[str, _Registered] = {}
        for plugin, answer in self._ask(hook, {}):
            if not isinstance(answer, Mapping):
                self._report(plugin, f"{hook} answered {answer!r}; expected a mapping of names")
                continue
            for name, thing in cast("Mapping[object, object]", answer).items():
                self._enter(registered, hook, name, _Registered(plugin, thing))
        return registered

    def _enter(self, registered: dict[str, _Registered], hook: str, name: object, entry: _Registered) -> None:
        path = entry.thing if isinstance(entry.thing, str) else None
        if not isinstance(name, str) or not (callable(entry.thing) or (path and ":" in path)):
            expected = 'expected a name, and a callable or "module:attribute"'
            self._report(entry.plugin, f"{hook} gives {name!r}: {entry.thing!r}; {expected}")
        elif name not in registered:
            registered[name] = entry
        elif entry.plugin != BUILTINS:
            self._report(entry.plugin, f"{hook} gives {name!r}, which plugin {registered[name].plugin!r} gives already")

    def _several(self, hook: str, check: Callable[[object], None], **facts: Any) -> list[Any]:
        wanted: list[object] = []
        for plugin, answer in self._ask(hook, facts):
            if not isinstance(answer, Sequence) or isinstance(answer, str):
                self._report(plugin, f"{hook} answered {answer!r}; expected a list")
                continue
            for each in cast("Sequence[object]", answer):
                try:
                    check(each)
                except ConfigurationError as error:
                    self._report(plugin, f"{hook}: {error}")
                else:
                    wanted.append(each)
        return wanted

    def _ask(self, hook: str, facts: dict[str, Any]) -> list[tuple[str, object]]:
        """What each plugin answers, but for None. Implementations are called one by one: pluggy stops at an error."""
        if hook not in self._hooks:
            raise ConfigurationError(f"no hook {hook!r}{nearest(hook, self._hooks)}")
        answers: list[tuple[str, object]] = []
        for implementation in self._hooks[hook]:
            try:
                answer = implementation.function(*(facts[name] for name in implementation.argnames))
            except Exception as error:  # noqa: BLE001 - somebody's plugin; the app goes on without its answer
                self._report(implementation.plugin_name, f"{hook} raised {error!r}", error)
            else:
                if answer is not None:
                    answers.append((implementation.plugin_name, answer))
        return answers

    def _register(self, info: PluginInfo, load: Callable[[], object]) -> None:
        taken = self._infos.get(info.name)
        if taken is not None:
            self._report(info.name, f"the name is used by {info.label} too, which is skipped")
            return
        self._infos[info.name] = info
        try:
            plugin = load()
            plugin = plugin() if isinstance(plugin, type) else plugin
            self._pluggy.register(plugin, info.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - somebody's module, which may even exit when imported
            self._report(info.name, f"cannot be loaded: {error!r}", error)
            if self._pluggy.get_plugin(info.name) is not None:
                self._pluggy.unregister(name=info.name)
            return
        callers = self._pluggy.get_hookcallers(plugin) or []
        self._infos[info.name] = info._replace(hooks=tuple(sorted(caller.name for caller in callers)))
        problem = self._flaw(plugin, callers)
        if problem:
            self._pluggy.unregister(name=info.name)
            self._report(info.name, f"{problem}; the plugin is skipped")

    def _flaw(self, plugin: object, callers: Iterable[pluggy.HookCaller]) -> str:
        """Why a plugin that could be imported cannot be used; empty if it can."""
        for caller in callers:
            for implementation in caller.get_hookimpls():
                if implementation.plugin is not plugin:
                    continue
                if not (caller.has_spec() or implementation.optionalhook):
                    return f"there is no hook {caller.name!r}{nearest(caller.name, _hook_names())}"
                if implementation.wrapper or implementation.hookwrapper:
                    return f"{caller.name} is a hook wrapper, which is not supported; to wrap jobs, give a middleware"
        marked = {caller.name for caller in callers}
        for name in _hook_names():
            if name not in marked and callable(getattr(plugin, name, None)):
                return f"{name} is not marked with @treadle.hookimpl"
        return ""

    def _report(self, plugin: str, problem: str, error: BaseException | None = None) -> None:
        info = self._infos[plugin]
        known = info.problem.split("; and ") if info.problem else []
        if problem in known:
            return
        self._infos[plugin] = info._replace(problem="; and ".join([*known, problem]))
        _log.warning("plugin %s: %s", info.label, problem, exc_info=error)


def _hook_names() -> list[str]:
    return [name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_")]


def _candidates(
    given: Iterable[object], points: Iterable[importlib.metadata.EntryPoint]
) -> Iterator[tuple[PluginInfo, Callable[[], object]]]:
    """All plugins, not loaded yet: the built-in one, installed ones, given ones."""
    yield PluginInfo(BUILTINS, PROJECT, treadle.__version__, (), ""), lambda: builtins
    # A distribution may be on the path twice, installed and editable.
    for point in {(point.name, point.value): point for point in points}.values():
        yield _info(point), point.load
    for plugin in given:
        name = plugin if isinstance(plugin, str) else getattr(plugin, "__name__", type(plugin).__name__)
        yield PluginInfo(str(name), "", "", (), ""), partial(_import, plugin)


def _info(point: importlib.metadata.EntryPoint) -> PluginInfo:
    # None if the entry point was not read from an installed distribution.
    distribution = point.dist
    name, version = (distribution.name, distribution.version) if distribution is not None else ("", "")
    return PluginInfo(point.name, name, version, (), "")


def _import(path: object) -> object:
    """What an import path, `module` or `module:attribute`, leads to; anything else is the thing itself."""
    if not isinstance(path, str):
        return path
    module_name, _, attribute = path.partition(":")
    module = importlib.import_module(module_name)
    return getattr(module, attribute) if attribute else module


def _load(what: str, name: str, registered: Mapping[str, _Registered]) -> object:
    """The registered thing of that name, imported if need be."""
    if name not in registered:
        known = ", ".join(sorted(registered))
        raise ConfigurationError(f"there is no {what} {name!r}{nearest(name, registered)}; known: {known}")
    plugin, thing = registered[name]
    try:
        return _import(thing)
    except (ImportError, AttributeError) as error:
        where = f"{thing}, from plugin {plugin!r}"
        raise ConfigurationError(f"the {what} {name!r} ({where}) cannot be imported: {error}") from error


def _check_callable(thing: object) -> None:
    if not callable(thing):
        raise ConfigurationError(f"{thing!r} cannot be called")


def _check_command(thing: object) -> None:
    # By its shape, because only the command line imports click.
    if not (isinstance(getattr(thing, "name", None), str) and callable(getattr(thing, "main", None))):
        raise ConfigurationError(f"{thing!r} is not a click command")

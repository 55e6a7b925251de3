"""Where jobs go: `task_routes`, as in Celery.

Routing only decides: it gives options (`queue`, `priority` ...) that are merged below those of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import translate
from re import Pattern
from re import compile as compile_pattern
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeGuard, cast

from treadle.exceptions import ConfigurationError
from treadle.job import MAX_PRIORITY, MIN_PRIORITY
from treadle.naming import nearest

Options: TypeAlias = Mapping[str, Any]

#: What a route may say: the options of a call, without those that are about one call only.
ROUTE_OPTIONS = frozenset(
    {
        "queue",
        "priority",
        "expires",
        "serializer",
        "compression",
        "headers",
        "ignore_result",
        "time_limit",
        "soft_time_limit",
    }
)


class Call(NamedTuple):
    """The call that is routed."""

    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    options: Options
    task: Any


class _Router(Protocol):
    """One of the routers in `task_routes`. None: it has no answer, ask the next."""

    def route(self, call: Call) -> Options | None: ...

    def queues(self) -> set[str]: ...


class Routes:
    """The routers of `task_routes`, asked in order; the first answer counts.

    `task_routes` is a mapping, a router, or a list of both. A mapping goes from a task name, a glob (`"feed.*"`) or a
    compiled pattern to a queue name, a mapping of options, or a router; an exact name goes before patterns, patterns in
    their order. A router is a function `(name, args, kwargs, options, task=None)` that gives options, a queue name or
    None; an object with a method `route_for_task(name, args, kwargs)`; a class of either; or the dotted path of one of
    these, which `import_object` resolves.

    Raises ConfigurationError for what is none of this.
    """

    def __init__(self, task_routes: Any, *, import_object: Callable[[str], Any]) -> None:
        self._routers = tuple(_routers(task_routes, import_object))
        self._is_static = all(isinstance(router, _Table) and router.is_static for router in self._routers)
        self._static_answers: dict[str, Options] = {}

    def __call__(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Options | None = None,
        task: Any = None,
    ) -> Options:
        """The options for a call of the task `name`; empty if no router has an answer. Not to be changed.

        Raises ConfigurationError if a router answers something that is no route.
        """
        known = self._static_answers.get(name)
        if known is not None:
            return known
        answer = self._ask(Call(name, args, kwargs or {}, options or {}, task))
        if self._is_static and len(self._static_answers) < _MOST_ANSWERS:
            self._static_answers[name] = answer
        return answer

    def __bool__(self) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._routers)

    def known_queues(self) -> set[str]:
        """The queues that mappings name. What functions answer cannot be known before they are asked."""
        return {queue for router in self._routers for queue in router.queues()}

    def _ask(self, call: Call) -> Options:
        answers = (router.route(call) for router in self._routers)
        return next((answer for answer in answers if answer is not None), _NO_OPTIONS)


def check_queue(name: str, declared: Collection[str]) -> None:
    """Raise ConfigurationError if a queue is not among the declared ones."""
    if name not in declared:
        known = ", ".join(sorted(declared)) or "none"
        raise ConfigurationError(
            f"there is no queue {name!r}{nearest(name, declared)} (declared: {known}); "
            "add it to task_queues, or set task_create_missing_queues to true"
        )


class _Table:
    """A mapping of `task_routes`."""

    def __init__(self, routes: Mapping[Any, Any], import_object: Callable[[str], Any]) -> None:
        self._exact: dict[str, _Router] = {}
        self._patterns: list[tuple[Pattern[str], _Router]] = []
        for key, value in routes.items():
            router = _target(value, f"task_routes[{_spelt(key)}]", import_object)
            if isinstance(key, str) and not _GLOB.search(key):
                self._exact[key] = router
            else:
                self._patterns.append((_pattern(key), router))

    @property
    def is_static(self) -> bool:
        """Whether the answer depends on nothing but the task's name."""
        return all(isinstance(router, _Fixed) for router in self._all())

    def route(self, call: Call) -> Options | None:
        candidates = (router for pattern, router in self._patterns if pattern.match(call.name))
        router = self._exact.get(call.name) or next(candidates, None)
        return None if router is None else router.route(call)

    def queues(self) -> set[str]:
        return {queue for router in self._all() for queue in router.queues()}

    def _all(self) -> Iterator[_Router]:
        yield from self._exact.values()
        yield from (router for _, router in self._patterns)


class _Fixed:
    """Always the same options."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def route(self, call: Call) -> Options:
        return self._options

    def queues(self) -> set[str]:
        return {self._options["queue"]} if "queue" in self._options else set()


class _Custom:
    """Asks a router of the user."""

    def __init__(self, router: Any, place: str) -> None:
        self._router = router
        self._place = place

    def route(self, call: Call) -> Options | None:
        answer = self._ask(call)
        return _options(answer, f"the answer of {self._place} for {call.name!r}") if answer else None

    def _ask(self, call: Call) -> Any:
        if hasattr(self._router, "route_for_task"):
            return self._router.route_for_task(call.name, call.args, call.kwargs)
        return self._router(call.name, call.args, call.kwargs, call.options, task=call.task)

    def queues(self) -> set[str]:
        return set()


def _routers(task_routes: Any, import_object: Callable[[str], Any]) -> Iterator[_Router]:
    if task_routes is None:
        return
    if not isinstance(task_routes, list | tuple):
        yield _router(task_routes, "task_routes", import_object)
        return
    for index, item in enumerate(cast("Sequence[Any]", task_routes)):
        yield _router(item, f"task_routes[{index}]", import_object)


def _router(value: Any, place: str, import_object: Callable[[str], Any]) -> _Router:
    if isinstance(value, Mapping):
        return _Table({**value}, import_object)
    if isinstance(value, str):
        return _router(import_object(value), f"{place} ({value})", import_object)
    router = value() if isinstance(value, type) else value
    if not callable(router) and not hasattr(router, "route_for_task"):
        raise ConfigurationError(f"{place} must be a mapping, a router or the dotted path of one, not {value!r}")
    return _Custom(router, place)


def _target(value: Any, place: str, import_object: Callable[[str], Any]) -> _Router:
    """The right side of a mapping: here a text is a queue's name, not a dotted path."""
    if isinstance(value, str | Mapping):
        return _Fixed(_options(value, place))
    if isinstance(value, list | tuple | None):
        raise ConfigurationError(f"{place} must be a queue name, a mapping of options or a router, not {value!r}")
    return _router(value, place, import_object)


def _options(value: Any, place: str) -> Options:
    """A route as options, checked. Raises ConfigurationError that names `place`."""
    if isinstance(value, str) and value:
        return {"queue": value}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{place} must be a queue name or a mapping of options, not {value!r}")
    options = {name: option for name, option in cast("Options", value).items() if option is not None}
    for name in options.keys() - ROUTE_OPTIONS:
        why = (
            "jobs go to queues by name, give `queue`"
            if name in _AMQP
            else f"is no option{nearest(name, ROUTE_OPTIONS)}"
        )
        raise ConfigurationError(f"{place}: {name!r} {why}")
    _check_queue_name(options.get("queue"), place)
    _check_priority(options.get("priority"), place)
    return options


def _check_queue_name(queue: object, place: str) -> None:
    if queue is not None and (not isinstance(queue, str) or not queue):
        raise ConfigurationError(f"{place}: 'queue' must be the name of a queue, not {queue!r}")


def _check_priority(priority: object, place: str) -> None:
    if priority is None:
        return
    if not isinstance(priority, int) or isinstance(priority, bool) or not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        bounds = f"a whole number from {MIN_PRIORITY} to {MAX_PRIORITY}"
        raise ConfigurationError(f"{place}: 'priority' must be {bounds}, not {priority!r}")


def _pattern(key: Any) -> Pattern[str]:
    if isinstance(key, str):
        return compile_pattern(translate(key))
    if _is_text_pattern(key):
        return key
    raise ConfigurationError(f"a key of task_routes must be a task name, a glob or a compiled pattern, not {key!r}")


def _spelt(key: Any) -> str:
    return repr(key.pattern if _is_text_pattern(key) else key)


def _is_text_pattern(key: object) -> TypeGuard[Pattern[str]]:
    return isinstance(getattr(key, "pattern", None), str) and isinstance(key, Pattern)


_NO_OPTIONS: Options = {}
_AMQP = frozenset({"exchange", "exchange_type", "routing_key", "delivery_mode"})
_GLOB = compile_pattern(r"[*?\[]")

#: Names come from code, but `send_task` takes any; the cache must not grow with them.
_MOST_ANSWERS = 10_000

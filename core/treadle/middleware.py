"""Code around publishing and around each run: contexts, connections, tracing.

    class Tenant(Middleware):
        @contextmanager
        def around(self, request):
            with tenant(request.headers["tenant"]):
                yield

    app.middleware.append(Tenant())

The first in the stack is the outermost. A stack is folded once into plain nested calls, of only those
that have something to say there, and an empty one costs nothing at all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar

from treadle.exceptions import ConfigurationError
from treadle.job import Job

PublishCall: TypeAlias = Callable[[Sequence[Job]], object]
# The request is what the task sees as `self.request`; its class lives floors above this module.
ExecuteCall: TypeAlias = Callable[[Any], Any]
AexecuteCall: TypeAlias = Callable[[Any], Coroutine[Any, Any, Any]]

Call = TypeVar("Call", bound=Callable[..., Any])
Form: TypeAlias = Literal["publish", "execute", "aexecute"]


class Middleware:
    """Base of all middleware. Override what is needed; what is not overridden is never called.

    Around a run, give either `around`, which serves `def` and `async def` tasks alike, or both `execute`
    and `aexecute`. One of those two alone is refused: it would be skipped silently for half the tasks.
    """

    def publish(self, call_next: PublishCall, jobs: Sequence[Job]) -> object:
        """Around publishing a batch. Pass on `jobs`, or others made with `job._replace(...)`."""
        return call_next(jobs)

    def execute(self, call_next: ExecuteCall, request: Any) -> Any:
        """Around one run of a `def` task. What it returns is the result, what it raises the error."""
        return call_next(request)

    async def aexecute(self, call_next: AexecuteCall, request: Any) -> Any:
        """Around one run of an `async def` task, on its event loop."""
        return await call_next(request)

    def around(self, request: Any) -> AbstractContextManager[object]:
        """A context for one run of any task. If it swallows an error, the job succeeds with None."""
        return nullcontext()


class MiddlewareStack:
    """The middleware of an app, outermost first.

    Changing it while jobs run is safe: the runs that have begun keep what they began with.
    """

    def __init__(self, middleware: Iterable[Middleware] = ()) -> None:
        self._items: tuple[Middleware, ...] = ()
        #: By form: the items it was folded from, the innermost call, and the fold.
        self._folds: dict[Form, tuple[tuple[Middleware, ...], Any, Any]] = {}
        for each in middleware:
            self.append(each)

    def __iter__(self) -> Iterator[Middleware]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def append(self, middleware: Middleware) -> None:
        """Add as the innermost. Raises ConfigurationError if its shape is wrong."""
        self.insert(len(self._items), middleware)

    def insert(self, index: int, middleware: Middleware) -> None:
        """Add at `index` (0: as the outermost). Raises ConfigurationError if its shape is wrong."""
        check_middleware(middleware)
        self._items = (*self._items[:index], middleware, *self._items[index:])

    def remove(self, middleware: Middleware) -> None:
        """Take one out. Raises ValueError if it is not there."""
        if not any(each is middleware for each in self._items):
            raise ValueError(f"{middleware!r} is not in the stack")
        self._items = tuple(each for each in self._items if each is not middleware)

    def fold_publish(self, final: PublishCall) -> PublishCall:
        """`final` wrapped in all `publish` methods. Call it anew for each batch: it is kept until something changes."""
        return self._fold("publish", final, _wrap_publish)

    def fold_execute(self, final: ExecuteCall) -> ExecuteCall:
        """`final`, which runs a `def` task, wrapped. Call it anew for each job, as with `fold_publish`."""
        return self._fold("execute", final, _wrap_execute)

    def fold_aexecute(self, final: AexecuteCall) -> AexecuteCall:
        """`final`, which runs an `async def` task, wrapped. Call it anew for each job, as with `fold_publish`."""
        return self._fold("aexecute", final, _wrap_aexecute)

    def _fold(self, form: Form, final: Call, wrap: Callable[[Middleware, Call], Call]) -> Call:
        items = self._items
        if not items:
            return final
        kept = self._folds.get(form)
        if kept is not None and kept[0] is items and kept[1] == final:
            folded: Call = kept[2]
            return folded
        folded = final
        for middleware in reversed(items):
            folded = wrap(middleware, folded)
        self._folds[form] = (items, final, folded)
        return folded


def check_middleware(middleware: object) -> None:
    """Raise ConfigurationError, saying what to change, unless this is a well-shaped middleware object."""
    if isinstance(middleware, type):
        raise ConfigurationError(f"{middleware!r} is a class; give an object of it")
    if not isinstance(middleware, Middleware):
        raise ConfigurationError(f"{middleware!r} is not a middleware; derive it from treadle.middleware.Middleware")
    kind = type(middleware)
    given = [name for name in ("publish", "around", "execute", "aexecute") if _overrides(middleware, name)]
    if not given:
        raise ConfigurationError(f"{kind.__name__} overrides none of publish, around, execute and aexecute")
    if len({"execute", "aexecute"} & set(given)) == 1:
        raise ConfigurationError(
            f"{kind.__name__} has only one of execute and aexecute, so it would miss some tasks; "
            "give both execute and aexecute, or around(request) returning a context manager, which serves both"
        )
    if {"around", "execute"} <= set(given):
        raise ConfigurationError(f"{kind.__name__} has both around and execute/aexecute; give one of the two kinds")
    for name in given:
        _check_method(middleware, name)


def _check_method(middleware: Middleware, name: str) -> None:
    where, method = f"{type(middleware).__name__}.{name}", getattr(middleware, name)
    expected = {"around": ("request",), "publish": ("call_next", "jobs")}.get(name, ("call_next", "request"))
    is_async = inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(inspect.unwrap(method))
    if is_async and name != "aexecute":
        raise ConfigurationError(f"{where} is asynchronous; expected a plain method (aexecute is the asynchronous one)")
    if name == "aexecute" and not is_async:
        raise ConfigurationError(f"{where} is a plain method; expected `async def aexecute(self, call_next, request)`")
    try:
        inspect.signature(method).bind(*expected)
    except TypeError as error:
        raise ConfigurationError(
            f"{where} takes the wrong parameters; expected (self, {', '.join(expected)})"
        ) from error


def _overrides(middleware: Middleware, name: str) -> bool:
    return getattr(type(middleware), name) is not getattr(Middleware, name)


def _wrap_publish(middleware: Middleware, call_next: PublishCall) -> PublishCall:
    return partial(middleware.publish, call_next) if _overrides(middleware, "publish") else call_next


def _wrap_execute(middleware: Middleware, call_next: ExecuteCall) -> ExecuteCall:
    if _overrides(middleware, "around"):
        return partial(_execute_within, middleware.around, call_next)
    return partial(middleware.execute, call_next) if _overrides(middleware, "execute") else call_next


def _wrap_aexecute(middleware: Middleware, call_next: AexecuteCall) -> AexecuteCall:
    if _overrides(middleware, "around"):
        return partial(_aexecute_within, middleware.around, call_next)
    return partial(middleware.aexecute, call_next) if _overrides(middleware, "aexecute") else call_next


def _execute_within(
    around: Callable[[Any], AbstractContextManager[object]], call_next: ExecuteCall, request: Any
) -> Any:
    with around(request):
        return call_next(request)


async def _aexecute_within(
    around: Callable[[Any], AbstractContextManager[object]], call_next: AexecuteCall, request: Any
) -> Any:
    with around(request):
        return await call_next(request)

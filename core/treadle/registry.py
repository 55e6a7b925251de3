"""The tasks an app knows, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from treadle.current import shared_tasks
from treadle.exceptions import ConfigurationError, TaskNotRegistered
from treadle.naming import nearest, task_name
from treadle.routing import Annotations
from treadle.settings import import_object
from treadle.task import AsyncTask, BatchTask, Task, check_task_options
from treadle.task.mapping import MAPPING_TASKS
from treadle.task.options import ANNOTATION_OPTIONS

if TYPE_CHECKING:
    from typing import Literal, Unpack

    from treadle.app import Treadle
    from treadle.task import Batch, TaskOptions
    from treadle.task.decorators import BatchDecorator, BindingBatchDecorator, BindingDecorator, Decorator

P = ParamSpec("P")
R = TypeVar("R")


class TaskRegistry:
    """Tasks by name: the app's own, and its twins of those of `@shared_task`."""

    def __init__(self, app: Treadle) -> None:
        self._app = app
        #: The tasks that this app has. Those of `@shared_task` join when they are first asked for.
        self.own: dict[str, Task[..., Any]] = {}
        self._annotations: Annotations | None = None
        self._mapping_tasks: dict[str, Task[..., Any]] = {}

    def add(self, task: Task[..., Any]) -> Task[..., Any]:
        """Register a task; the one that counts under its name from now on.

        A module that is loaded again replaces its tasks. Raises ConfigurationError if another module has a
        task of that name.
        """
        winner = _winner(self.own.get(task.name) or shared_tasks.get(task.name), task)
        self.own[task.name] = winner
        self._annotate(winner)
        return winner

    def get(self, name: str) -> Task[..., Any] | None:
        """The task of that name, or None."""
        task = self.own.get(name)
        if task is None and name in shared_tasks:
            task = self.own[name] = shared_tasks[name].bound_to(self._app)
            self._annotate(task)
        return self._mapping_task(name) if task is None and name in MAPPING_TASKS else task

    def follow_settings(self) -> None:
        """Settings have changed: what was derived from them holds no longer."""
        self._annotations = None
        for task in self.own.values():
            self._annotate(task)

    def __getitem__(self, name: str) -> Task[..., Any]:
        task = self.get(name)
        if task is None:
            raise TaskNotRegistered(f"no task named {name!r} is registered{nearest(name, self)}")
        return task

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in shared_tasks

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self.own, *shared_tasks}))

    def __len__(self) -> int:
        return len({*self.own, *shared_tasks})

    def values(self) -> Iterator[Task[..., Any]]:
        """All tasks, by name."""
        return (self[name] for name in self)

    def _mapping_task(self, name: str) -> Task[..., Any]:
        """One of the tasks that every app has without having defined any."""
        if name not in self._mapping_tasks:
            self._mapping_tasks[name] = make_task(self._app, MAPPING_TASKS[name], {"name": name})
        return self._mapping_tasks[name]

    def _annotate(self, task: Task[..., Any]) -> None:
        if self._annotations is None:
            self._annotations = Annotations(
                self._app.conf.task_annotations, allowed=ANNOTATION_OPTIONS, import_object=import_object
            )
        options = self._annotations(task.name, task)
        check_task_options(options)
        task.annotate(options)


def make_task(app: Treadle | None, function: Callable[..., Any], options: Mapping[str, Any]) -> Task[..., Any]:
    """A task made of a function, of the class that `base` says.

    Raises ConfigurationError for options that no task has, and for generator functions: calling one runs nothing.
    """
    if isinstance(function, Task):
        raise ConfigurationError(f"{function!r} is a task already: one decorator makes it one")
    check_task_options(options)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"{function.__qualname__} is a generator function, which runs nothing when a worker calls it: "
            "return a list, or loop inside the task"
        )
    task: Task[..., Any] = (options.get("base") or _default_base(app, function, options))()
    name = options.get("name") or task_name(function, app.name if app is not None else None)
    task.define(app, function, {**options, "name": name})
    return task


@overload
def shared_task(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
@overload
def shared_task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def shared_task(
    function: None = None, /, *, batch: Batch, bind: Literal[True], **options: Unpack[TaskOptions]
) -> BindingBatchDecorator: ...
@overload
def shared_task(
    function: None = None, /, *, batch: Batch, bind: Literal[False] = False, **options: Unpack[TaskOptions]
) -> BatchDecorator: ...
@overload
def shared_task(
    function: None = None, /, *, bind: Literal[True], **options: Unpack[TaskOptions]
) -> BindingDecorator: ...
@overload
def shared_task(
    function: None = None, /, *, bind: Literal[False] = False, **options: Unpack[TaskOptions]
) -> Decorator: ...
def shared_task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a task that every app has, and that calls the current one: for code that does not know its app.

    Used like `app.task`, and before any app exists.
    """
    if function is not None:
        return _share(function, options)

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        return _share(function, options)

    return decorate


def _default_base(
    app: Treadle | None, function: Callable[..., Any], options: Mapping[str, Any]
) -> type[Task[..., Any]]:
    base = Task if app is None else app.Task
    if base is Task and options.get("batch") is not None:
        return BatchTask
    return AsyncTask if base is Task and inspect.iscoroutinefunction(function) else base


def _share(function: Callable[..., Any], options: Mapping[str, Any]) -> Task[..., Any]:
    task = make_task(None, function, options)
    winner = shared_tasks[task.name] = _winner(shared_tasks.get(task.name), task)
    return winner


def _winner(known: Task[..., Any] | None, new: Task[..., Any]) -> Task[..., Any]:
    """Which of two tasks of one name counts. Raises ConfigurationError if they are of different modules."""
    if known is None or known is new or known.__module__ == new.__module__:
        return new
    if "__main__" in (known.__module__, new.__module__):
        # A script that something imports by its name too: the same functions, defined twice.
        return known
    raise ConfigurationError(
        f"there are two tasks named {new.name!r}, in {known.__module__} and in {new.__module__}: "
        "give one of them another name="
    )

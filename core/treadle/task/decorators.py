"""What `@app.task` and `@shared_task` are to a type checker: which task a function becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from treadle.request import Request
    from treadle.task.task import AsyncTask, BatchTask, Task

P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol):
    """Makes a task of a function."""

    # An `async def` is a function too, but its task gives what it returns when awaited.
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


class BindingDecorator(Protocol):
    """Makes a task of a function whose first parameter is the task itself."""

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...


class BatchDecorator(Protocol):
    """Makes a batch task of a function that gets many jobs, and answers None or an outcome for each."""

    @overload
    def __call__(self, function: Callable[[list[Request]], Coroutine[Any, Any, None]], /) -> BatchTask[None]: ...
    @overload
    def __call__(self, function: Callable[[list[Request]], Coroutine[Any, Any, Sequence[R]]], /) -> BatchTask[R]: ...
    @overload
    def __call__(self, function: Callable[[list[Request]], None], /) -> BatchTask[None]: ...
    @overload
    def __call__(self, function: Callable[[list[Request]], Sequence[R]], /) -> BatchTask[R]: ...


class BindingBatchDecorator(Protocol):
    """The same, of a function whose first parameter is the task itself."""

    @overload
    def __call__(self, function: Callable[[Any, list[Request]], Coroutine[Any, Any, None]], /) -> BatchTask[None]: ...
    @overload
    def __call__(
        self, function: Callable[[Any, list[Request]], Coroutine[Any, Any, Sequence[R]]], /
    ) -> BatchTask[R]: ...
    @overload
    def __call__(self, function: Callable[[Any, list[Request]], None], /) -> BatchTask[None]: ...
    @overload
    def __call__(self, function: Callable[[Any, list[Request]], Sequence[R]], /) -> BatchTask[R]: ...

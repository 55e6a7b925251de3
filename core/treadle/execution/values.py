"""What a run returned: whether it is a value at all, and can travel."""

from __future__ import annotations

import inspect
from typing import Any

from treadle.exceptions import SerializationError, UnusableValueError


class Escaped:
    """An exception that passes an event loop as a value, since as itself it would end the loop."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def landed(value: Any) -> Any:
    """The value; raises the exception that passed as one."""
    if isinstance(value, Escaped):
        raise value.error
    return value


def check_unkept(task: str, value: object) -> bytes:
    """Nothing, for a value that is dropped. Raises UnusableValueError if it is none: something that has not run."""
    problem = _not_run(value)
    if problem:
        raise UnusableValueError(f"task {task!r} returned {problem}")
    return b""


def unserializable(task: str, value: object, error: SerializationError) -> UnusableValueError:
    """The failure of a run whose value cannot travel."""
    if isinstance(error, UnusableValueError):
        return error
    problem = _not_run(value)
    if problem:
        return UnusableValueError(f"task {task!r} returned {problem}")
    return UnusableValueError(f"what task {task!r} returned cannot be kept: {error}")


def _not_run(value: object) -> str:
    """What a value is that nobody has run; empty for a real one."""
    if inspect.iscoroutine(value):
        value.close()  # else Python would warn, much later, that it was never awaited
        return "a coroutine that nobody awaited: make it an `async def`"
    if inspect.isgenerator(value) or inspect.isasyncgen(value) or inspect.isawaitable(value):
        return f"an object of type {type(value).__name__}, which has not run: return what it gives, as a list"
    return ""

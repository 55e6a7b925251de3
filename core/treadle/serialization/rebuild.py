"""Makes an exception again from what was captured of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from treadle.exceptions import TaskControl, TaskError
from treadle.serialization.capture import Failure
from treadle.serialization.classes import class_path, find_class

#: Raised at whoever waits for a result, these would steer the caller: end it, or its loop, generator or own job.
_STEERING: Final = (SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration, TaskControl)


class Shown(str):
    """The `repr()` of an argument that could not travel; it shows as itself, so messages made of it stay the same."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__str__(self)


def rebuild(failure: Failure) -> BaseException:
    """The exception: of its own class if that can be imported and shows the same message, else a TaskError.

    It has the causes, the notes, and the worker's traceback: as the attribute `remote_traceback`, and as a note.
    """
    error = _as_own_class(failure) or _stand_in(failure)
    if failure.cause is not None:
        _set(error, "__cause__", rebuild(failure.cause))
    _annotate(error, failure)
    return error


def _as_own_class(failure: Failure) -> BaseException | None:
    found = find_class(failure.class_path)
    if found is None or not _may_return(found):
        return None
    cls: type[BaseException] = found
    args = failure.args if failure.args_are_exact else [Shown(arg) for arg in failure.args]
    ways: list[Callable[[], BaseException]] = []
    if failure.init_args is not None:
        ways.append(lambda: cls(*(failure.init_args or ())))
    if failure.args_are_exact:
        ways.append(lambda: cls(*args))
    ways += [lambda: _without_init(cls, args), lambda: _without_init(cls, [Shown(failure.message)])]
    for make in ways:
        error = _attempt(make, failure)
        if type(error) is cls:
            return error
    return None


def _may_return(cls: type[Any]) -> bool:
    if not issubclass(cls, BaseException) or issubclass(cls, _STEERING):
        return False
    # By name, because asyncio is heavy and a caller without it cannot be cancelled by it.
    return "asyncio.exceptions:CancelledError" not in map(class_path, cls.__mro__)


def _without_init(cls: type[BaseException], args: list[Any]) -> BaseException:
    error = cls.__new__(cls, *args)
    _set(error, "args", tuple(args))
    return error


def _attempt(make: Callable[[], BaseException], failure: Failure) -> BaseException | None:
    """The error with its attributes. None if that cannot be made, or does not say what the original said."""
    try:
        error = make()
        vars(error).update(failure.state)
        return error if str(error) == failure.message else None
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - `__init__` and `__str__` are the code of the exception's author
        return None


def _annotate(error: BaseException, failure: Failure) -> None:
    trace = [f"Traceback in the worker:\n{failure.traceback.rstrip()}"] if failure.traceback else []
    vars(error).update(remote_traceback=failure.traceback)
    if failure.notes or trace:
        vars(error).update(__notes__=failure.notes + trace)


def _set(error: BaseException, name: str, value: object) -> None:
    """Set one of an exception's built-in attributes, past any `__setattr__`: an exception may be a frozen dataclass."""
    vars(BaseException)[name].__set__(error, value)


def _stand_in(failure: Failure) -> TaskError:
    error = TaskError(failure.message)
    error.type_name = failure.type_name
    return error

"""Reads an exception into plain values, whatever its class does.

`str()`, `repr()`, attributes and `__reduce__` of an exception are its author's code. A failure that
cannot be reported is a job that is lost, so nothing that this code raises gets through.
"""

from __future__ import annotations

from collections.abc import Callable
from traceback import TracebackException
from typing import Any, Final, NamedTuple, TypeVar

from treadle.exceptions import TaskError
from treadle.serialization.classes import class_path
from treadle.serialization.json import JsonSerializer

MAX_TRACEBACK_CHARS: Final = 64 * 1024
_MAX_TEXT_CHARS: Final = 16 * 1024
_MAX_REPR_CHARS: Final = 1024
_MAX_VALUES_BYTES: Final = 16 * 1024
_MAX_ARGS: Final = 32
_MAX_NOTES: Final = 16
_MAX_CAUSES: Final = 8
#: Attributes that are written elsewhere in the record, or belong to this one journey only.
_NO_STATE: Final = frozenset({"__notes__", "remote_traceback"})

T = TypeVar("T")


class Failure(NamedTuple):
    """An exception as plain values."""

    #: Dotted, as Python prints it: `ValueError`, `shop.errors.CardDeclined`.
    type_name: str
    message: str
    #: The exception's `args` if all of them can travel, else the `repr()` of each.
    args: list[Any]
    #: As Python prints it; of a cause only its own part. Empty if it was not asked for.
    traceback: str
    cause: Failure | None
    notes: list[str]
    #: `module:qualname`.
    class_path: str
    args_are_exact: bool
    #: What the class says it is to be made from (`__reduce__`), where that differs from `args`.
    init_args: list[Any] | None
    #: Those of its attributes that can travel.
    state: dict[str, Any]


def capture(error: BaseException, *, with_traceback: bool, seen: frozenset[int] = frozenset()) -> Failure:
    """All of an exception that can travel, with the causes it was raised from. Never raises.

    `seen` are the ids of the exceptions that this one caused, so that a circle ends.
    """
    path = safely(lambda: class_path(type(error)), "builtins:Exception")
    no_args: tuple[list[Any], bool] = ([], False)
    args, args_are_exact = safely(lambda: _portable_args(error), no_args)
    seen |= {id(error)}
    return Failure(
        type_name=safely(lambda: _type_name(error, path), path),
        message=_cut(safely(lambda: str.__str__(str(error)), "<its str() raised an error>"), _MAX_TEXT_CHARS),
        args=args,
        traceback=_traceback(error, with_causes=len(seen) == 1) if with_traceback else "",
        cause=safely(lambda: _cause(error, with_traceback, seen), None),
        notes=safely(lambda: _notes(error), []),
        class_path=path,
        args_are_exact=args_are_exact,
        init_args=safely(lambda: _init_args(error), None),
        state=safely(lambda: _portable_state(error), {}),
    )


def safely(read: Callable[[], T], otherwise: T) -> T:
    """What `read` gives, or `otherwise` if it raises anything at all."""
    try:
        return read()
    except BaseException:  # noqa: BLE001 - an exception's author may raise SystemExit from `__str__`
        return otherwise


def _type_name(error: BaseException, path: str) -> str:
    if isinstance(error, TaskError) and error.type_name:
        return str(error.type_name)  # It stands in for that class already.
    return path.replace(":", ".").removeprefix("builtins.")


def _portable_args(error: BaseException) -> tuple[list[Any], bool]:
    args = list(error.args)
    if _travels(args):
        return args, True
    return [_shown(arg) for arg in args[:_MAX_ARGS]], False


def _shown(arg: object) -> str:
    return _cut(safely(lambda: repr(arg), "<its repr() raised an error>"), _MAX_REPR_CHARS)


def _init_args(error: BaseException) -> list[Any] | None:
    recipe: Any = error.__reduce__()
    if isinstance(recipe, str) or recipe[0] is not type(error) or recipe[1] is error.args:
        return None
    args = list(recipe[1])
    return args if _travels(args) else None


def _portable_state(error: BaseException) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for name, value in vars(error).items():
        if name not in _NO_STATE and _travels(value) and _travels({**state, name: value}):
            state[name] = value
    return state


def _travels(value: Any) -> bool:
    return safely(lambda: len(JsonSerializer().dumps(value)) <= _MAX_VALUES_BYTES, otherwise=False)


def _cause(error: BaseException, with_traceback: bool, seen: frozenset[int]) -> Failure | None:
    cause = error.__cause__
    if cause is None or id(cause) in seen or len(seen) > _MAX_CAUSES:
        return None
    return capture(cause, with_traceback=with_traceback, seen=seen)


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", [])
    return [_cut(str.__str__(note), _MAX_TEXT_CHARS) for note in notes[:_MAX_NOTES] if isinstance(note, str)]


def _traceback(error: BaseException, *, with_causes: bool) -> str:
    """As Python prints it. The outermost has the causes' parts too, so that it can be read alone."""
    limit = MAX_TRACEBACK_CHARS if with_causes else _MAX_TEXT_CHARS
    return _cut(safely(lambda: _formatted(error, with_causes=with_causes), "<the traceback cannot be shown>\n"), limit)


def _formatted(error: BaseException, *, with_causes: bool) -> str:
    summary = TracebackException(type(error), error, error.__traceback__, compact=True)
    return "".join(summary.format(chain=with_causes))


def _cut(text: str, limit: int) -> str:
    """The text, or its head and tail around a line that says how much is missing."""
    if len(text) <= limit:
        return text
    kept = limit // 2 - 40
    return f"{text[:kept]}\n… {len(text) - 2 * kept} characters left out …\n{text[-kept:]}"

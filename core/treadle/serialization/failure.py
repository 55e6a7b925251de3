"""Exceptions travel as data: as a JSON object that any program can read, and as an exception again."""

from __future__ import annotations

import json
from typing import Any, Final

from treadle.exceptions import SerializationError
from treadle.serialization.capture import Failure, capture, safely
from treadle.serialization.json import JsonSerializer
from treadle.serialization.rebuild import rebuild

__all__ = ["Failure", "decode_failure", "describe_failure", "encode_failure"]

_STAND_IN_CLASS: Final = "treadle.exceptions:TaskError"
_SHOWN_BYTES: Final = 60


def encode_failure(error: BaseException, *, with_traceback: bool = True) -> bytes:
    """The exception as a JSON object of bounded size. Never raises, whatever the exception's own code does.

    Keeps its class, message, args, attributes that can travel, notes, causes, and the text of its traceback;
    no frame is kept alive.
    """
    failure = capture(error, with_traceback=with_traceback)
    return safely(lambda: JsonSerializer().dumps(_as_record(failure)), b"") or _encode_bare(failure)


def decode_failure(content: bytes) -> BaseException:
    """The exception again, not raised: of its own class where possible, else a TaskError with the same text.

    Never raises for what `encode_failure` wrote; for other content it gives a TaskError that says so. Imports
    the module of the exception's class. What would end or steer the caller (SystemExit, KeyboardInterrupt,
    GeneratorExit, CancelledError, StopIteration, Retry ...) comes back as a TaskError.
    """
    try:
        failure = _from_record(JsonSerializer().loads(content))
    except (SerializationError, TypeError, KeyError, AttributeError):
        failure = describe_failure(content)  # Written elsewhere, or an argument's class is missing here.
    return rebuild(failure)


def describe_failure(content: bytes) -> Failure:
    """What `encode_failure` wrote, as plain values. Imports nothing and never raises.

    Arguments beyond JSON's own types stay as they are written: `{"$uuid": "…"}`.
    """
    try:
        return _from_record(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _unreadable(content)


def _as_record(failure: Failure) -> dict[str, Any]:
    record: dict[str, Any] = failure._asdict()
    if failure.cause is not None:
        record["cause"] = _as_record(failure.cause)
    return record


def _from_record(record: dict[str, Any]) -> Failure:
    """The failure. Raises TypeError, KeyError or AttributeError for what is no record of one."""
    cause = record["cause"]
    return Failure(
        type_name=_str(record["type_name"]),
        message=_str(record["message"]),
        args=list(record["args"]),
        traceback=_str(record["traceback"]),
        cause=None if cause is None else _from_record(cause),
        notes=[_str(note) for note in record["notes"]],
        class_path=_str(record["class_path"]),
        args_are_exact=bool(record["args_are_exact"]),
        init_args=None if record["init_args"] is None else list(record["init_args"]),
        state=dict(record["state"].items()),
    )


def _str(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {type(value).__name__}")
    return value


def _encode_bare(failure: Failure) -> bytes:
    """Without what made the whole fail to be encoded, such as an argument that changed while it was written."""
    bare = failure._replace(args=[], args_are_exact=False, init_args=None, state={}, cause=None)
    return JsonSerializer().dumps(_as_record(bare))


def _unreadable(content: bytes) -> Failure:
    start = repr(content[:_SHOWN_BYTES]) + ("…" if len(content) > _SHOWN_BYTES else "")
    return Failure(
        type_name="treadle.exceptions.TaskError",
        message=f"the job failed, but its stored error cannot be read: it begins with {start}",
        args=[],
        traceback="",
        cause=None,
        notes=[],
        class_path=_STAND_IN_CLASS,
        args_are_exact=False,
        init_args=None,
        state={},
    )

"""What is shown of a job: its record, with arguments decoded and what must not be seen hidden."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from treadle.cli.layout import instant, pairs, span, state_word, table, value_text
from treadle.exceptions import SecurityError, SerializationError
from treadle.serialization.failure import describe_failure

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.job import Record
    from treadle.task import Task

HIDDEN = "***"
_SECOND_MS = 1000
UNKNOWN_TASK = "(not shown: only the task says which arguments are secret; name its application with -A, or --reveal)"


def summary(record: Record) -> dict[str, Any]:
    """A job in one line of a list."""
    return {
        "id": record.id,
        "task": record.task,
        "queue": record.queue,
        "state": record.state,
        "reason": record.reason,
        "attempt": record.attempt,
        "created": instant(record.created_ms),
        "error": describe_failure(record.error).message if record.error else None,
    }


def summaries_table(records: Sequence[Record]) -> str:
    """Jobs, one a line, newest first."""
    rows = [
        (each.id, each.task, each.queue, state_word(each.state), each.reason, each.attempt, instant(each.created_ms))
        for each in records
    ]
    return table(("id", "task", "queue", "state", "reason", "attempt", "created"), rows)


def details(record: Record, app: Treadle, *, reveal: bool = False) -> dict[str, Any]:
    """All that is known of a job. Arguments that its task redacts are hidden unless `reveal`."""
    return {
        "id": record.id,
        "task": record.task,
        "state": record.state,
        "reason": record.reason,
        "queue": record.queue,
        "priority": record.priority,
        "arguments": arguments(record, app, reveal=reveal),
        "options": json.loads(record.options) if record.options else {},
        "result": decoded(app.codec.decode, record.result),
        "error": _error(record),
        "progress": decoded(app.codec.decode, record.progress),
        "attempt": record.attempt,
        "crashes": record.crashes,
        "receipt": record.receipt,
        "lease": record.lease,
        "workflow": record.workflow,
        "cancelling": record.cancelling,
        "created": instant(record.created_ms),
        "due": instant(record.due_ms),
        "expires": instant(record.expires_ms),
        "started": instant(record.started_ms),
        "finished": instant(record.finished_ms),
        "run_ms": max(0, record.finished_ms - record.started_ms) if record.finished_ms and record.started_ms else None,
    }


def details_text(document: dict[str, Any]) -> str:
    """What `details` gives, for a terminal: empty fields left out, the traceback last."""
    facts = {name: _readable(name, value) for name, value in document.items() if value not in ("", None, {}, [])}
    error = document["error"]
    trace = f"\n\n{error['traceback'].rstrip()}" if error and error["traceback"] else ""
    return pairs(facts) + trace


def arguments(record: Record, app: Treadle, *, reveal: bool) -> Any:
    """The call's `args` and `kwargs`; a sentence instead where they cannot be read or must not be shown."""
    task = app.tasks.get(record.task)
    if task is None and not reveal:
        return UNKNOWN_TASK
    call = decoded(app.codec.decode_call, record.payload)
    if isinstance(call, str):
        return call
    args, kwargs = call
    if task is not None and not reveal:
        args, kwargs = redacted(task, args, kwargs)
    return {"args": args, "kwargs": kwargs}


def redacted(task: Task[..., Any], args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments with `***` in the place of those that the task's `redact` names, however they were given."""
    secret = frozenset(task.redact)
    if not secret:
        return args, kwargs
    hidden = [HIDDEN if name in secret else value for name, value in zip(_names(task, len(args)), args, strict=True)]
    return hidden, {name: HIDDEN if name in secret else value for name, value in kwargs.items()}


def decoded(decode: Callable[[bytes], Any], content: bytes) -> Any:
    """The value, None for no content, or a sentence that says why it cannot be read."""
    if not content:
        return None
    try:
        return decode(content)
    except (SerializationError, SecurityError) as error:
        return f"(cannot be read: {error})"


def _names(task: Task[..., Any], count: int) -> list[str]:
    """The parameters that the first `count` positional arguments go to; empty for those that fit none."""
    names: list[str] = []
    for parameter in inspect.signature(task.run).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            names += [parameter.name] * count
    return [*names, *[""] * count][:count]


def _error(record: Record) -> dict[str, str] | None:
    if not record.error:
        return None
    failure = describe_failure(record.error)
    return {"type": failure.type_name, "message": failure.message, "traceback": failure.traceback}


def _readable(name: str, value: Any) -> object:
    match name, value:
        case "state", str():
            return state_word(value)
        case "error", {"type": kind, "message": message}:
            return f"{kind}: {message}"
        case "run_ms", int():
            return span(value) if value >= _SECOND_MS else f"{value} ms"
        case _:
            return value if isinstance(value, str | int) and not isinstance(value, bool) else value_text(value)

"""The tasks behind `map` and `starmap`: one job that calls a task for each of many items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from treadle.current import current_app_object
from treadle.request import running_request
from treadle.workflows.mapping import MAP, STARMAP
from treadle.workflows.signature import Signature

if TYPE_CHECKING:
    from treadle.task.task import Task


def map_items(task: Mapping[str, Any], it: Iterable[Any]) -> list[Any]:
    """What the task gives for each item."""
    return _called(task, ((item,) for item in it))


def starmap_items(task: Mapping[str, Any], it: Iterable[Iterable[Any]]) -> list[Any]:
    """What the task gives for each list of arguments."""
    return _called(task, it)


MAPPING_TASKS: Final[Mapping[str, Callable[..., Any]]] = {MAP: map_items, STARMAP: starmap_items}


def _called(task: Mapping[str, Any], arguments: Iterable[Iterable[Any]]) -> list[Any]:
    call = Signature.from_dict(task)
    target = _app_of_this_job().tasks[call.task]
    return [_value(target, (*args, *call.args), call.kwargs) for args in arguments]


def _value(task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not task.is_async:
        return task(*args, **kwargs)
    import asyncio  # heavy; loaded with the first coroutine task

    return asyncio.run(task(*args, **kwargs))


def _app_of_this_job() -> Any:
    request = running_request()
    return current_app_object() if request is None else request.task_object.app

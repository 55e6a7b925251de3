"""What can be said about a task and about one call of it, and what is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from treadle.exceptions import ConfigurationError, NotSupported
from treadle.naming import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta


class CallOptions(TypedDict, total=False):
    """What can be said about one call. Times in seconds unless a datetime or timedelta is given."""

    task_id: str | None
    countdown: float | timedelta | None
    eta: datetime | str | None
    expires: float | timedelta | datetime | str | None
    queue: str | None
    exchange: str | None
    routing_key: str | None
    priority: int | None
    link: Any
    link_error: Any
    after: Any
    serializer: str | None
    compression: str | None
    headers: Mapping[str, Any] | None
    time_limit: float | None
    soft_time_limit: float | None
    retry: bool | None
    retry_policy: Mapping[str, Any] | None
    ignore_result: bool | None
    unique_key: str | None
    session: Any
    connection: Any
    on_commit: str | None


class TaskOptions(TypedDict, total=False):
    """What can be said about a task: to the decorator, as class attributes, in `task_annotations`."""

    name: str
    base: type[Any]
    queue: str | None
    priority: int | None
    max_retries: int | None
    default_retry_delay: float | None
    autoretry_for: type[BaseException] | Sequence[type[BaseException]]
    dont_autoretry_for: type[BaseException] | Sequence[type[BaseException]]
    retry_backoff: bool | float
    retry_backoff_max: float
    retry_jitter: bool
    retry_strategy: Any
    retry_kwargs: Mapping[str, Any] | None
    throws: type[BaseException] | Sequence[type[BaseException]]
    time_limit: float | None
    soft_time_limit: float | None
    rate_limit: Any
    concurrency_limit: Any
    unique: Any
    acks_late: bool | None
    ignore_result: bool | None
    track_started: bool | None
    serializer: str | None
    compression: str | None
    expires: float | timedelta | None
    pydantic: bool
    redact: Sequence[str]
    typing: bool


CALL_OPTIONS = frozenset(CallOptions.__annotations__)
#: `batch` is none of `TaskOptions`, since it changes what the decorator takes and gives.
TASK_OPTIONS = frozenset({"batch", "bind", *TaskOptions.__annotations__})
#: What settings may say about a task: not what makes it the task it is.
ANNOTATION_OPTIONS = TASK_OPTIONS - {"name", "base", "batch", "bind"}
#: What `self.retry()` may change of a job.
RETRY_OPTIONS = frozenset({"queue", "priority", "headers", "time_limit", "soft_time_limit", "ignore_result"})

#: Options whose part of the engine is not there: refused, never ignored.
_TASK_NOT_YET = frozenset({"rate_limit", "concurrency_limit", "unique", "pydantic"})
_CALL_NOT_YET = {
    "unique_key": "unique jobs are not supported by this version",
    "exchange": "only RabbitMQ has exchanges; say queue=",
    "routing_key": "only RabbitMQ has routing keys; say queue=",
    "on_commit": "no transaction is joined by itself here; say session= or connection= to join one",
}


def check_task_options(options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for an option that no task has, NotSupported for one that is not there yet."""
    _check_names(options, TASK_OPTIONS, "task option")
    for name in _TASK_NOT_YET & options.keys():
        if options[name]:
            raise NotSupported(f"the task option {name!r} is not supported by this version of Treadle")


def check_call_options(options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for an option that no call has, NotSupported for one that cannot be had here."""
    _check_names(options, CALL_OPTIONS, "call option")
    for name in _CALL_NOT_YET.keys() & options.keys():
        if options[name]:
            raise NotSupported(f"{name}= is not supported here: {_CALL_NOT_YET[name]}")


def check_retry_options(options: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for an option that a retry cannot change."""
    _check_names(options, RETRY_OPTIONS, "option of retry()")


def _check_names(options: Mapping[str, Any], known: Collection[str], what: str) -> None:
    for name in options:
        if name not in known:
            raise ConfigurationError(
                f"{name!r} is no {what}{nearest(name, known)}; there are {', '.join(sorted(known))}"
            )

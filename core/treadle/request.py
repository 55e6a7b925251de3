"""What a running job knows about itself: `self.request`, and `current_job()`."""

from __future__ import annotations

import json
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

from treadle.exceptions import ConfigurationError, JobCancelled, Retry, SerializationError
from treadle.job import Delivery
from treadle.observe.current import current_job_var

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from treadle.interfaces import Broker
    from treadle.task import Task

#: Made once: `json.dumps` makes an encoder for each call that asks for anything unusual.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_DIRECT_CALL = Delivery("", "", b"", "", 0, b"", 0, 0, 0, False, b"", 0)


class Place(Protocol):
    """Where one job of a worker runs at a time."""

    def leave(self, request: Request) -> bool:
        """Let others run here while `request` waits for one of them. False if it is to wait in its place."""
        ...

    def come_back(self, request: Request) -> None:
        """`request` goes on, however many run meanwhile. To be called as often as `leave` answered True."""
        ...


class Request:
    """One run of one job, from the inside. Attributes are Celery's where Celery has them."""

    #: Set when somebody asked to cancel this run: long tasks look at it between steps.
    cancelled: bool = False
    #: What an interruption of this run stands for, when it arrives as something else.
    interruption: BaseException | None = None
    #: True while the function itself runs: only then may it be interrupted.
    in_user_code: bool = False
    #: The error with which `self.retry()` said that the retries are used up.
    gave_up: BaseException | None = None
    #: The retry that `self.retry(throw=False)` asked for.
    retry_asked: Retry | None = None
    #: The jobs of a batch that runs as one; empty for a job that runs alone.
    requests: Sequence[Request] = ()
    #: Where it runs, if others may run there while it waits.
    place: Place | None = None

    #: What it takes from the jobs before it, as its first arguments: "", "value" or "error".
    input: str = ""
    #: The group that it is a member of, and its number there.
    group: str | None = None
    group_index: int | None = None

    # Celery's attributes for what is kept elsewhere: what follows is known to the store, not to the job.
    chord: Any = None
    chain: Any = None
    callbacks: Any = None
    errbacks: Any = None
    reply_to: str | None = None

    def __init__(
        self,
        delivery: Delivery,
        task: Task[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        hostname: str = "",
        is_eager: bool = False,
        note: Callable[[Delivery, bytes], bool] | None = None,
        store: Broker | None = None,
    ) -> None:
        self.delivery = delivery
        self.task_object = task
        self.args = args
        self.kwargs = kwargs
        self.hostname = hostname
        self.is_eager = is_eager
        self._note = note
        self._store = store
        #: `(hard, soft)` time limits of this run in seconds.
        self.limits = task.limits
        #: Whether the value of this run will be dropped.
        self.ignore_result = task.drops_result
        if delivery.options:
            self._heed_options()

    @classmethod
    def direct(cls, task: Task[..., Any]) -> Request:
        """The request of a function that was called as a function, not as a job."""
        return cls(_DIRECT_CALL, task, (), {})

    @property
    def id(self) -> str:
        """The job's id; empty outside a job."""
        return self.delivery.id

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.delivery.task

    @property
    def task_name(self) -> str:
        """The name of the task, as log formats call it."""
        return self.delivery.task

    @cached_property
    def options(self) -> dict[str, Any]:
        """What the caller sent along, by name."""
        return decode_options(self.delivery.options)

    @property
    def store(self) -> Broker:
        """Where the records of this job and of its workflow are."""
        return self._store if self._store is not None else self.task_object.app.broker

    @property
    def called_directly(self) -> bool:
        """True outside a job: the function was called as a function."""
        return not self.delivery.id

    @property
    def attempt(self) -> int:
        """The number of this run, from 1, counting only runs that were charged."""
        return self.delivery.attempt + 1

    @property
    def retries(self) -> int:
        """How often the job was retried before this run."""
        return max(0, self.delivery.attempt - self.delivery.crashes)

    @property
    def queue(self) -> str:
        """The queue the job came from."""
        return self.delivery.queue

    @property
    def priority(self) -> int:
        """The job's priority; larger runs first."""
        return self.delivery.priority

    @property
    def root_id(self) -> str:
        """The id of the first ancestor; the job's own if it was not called by a job."""
        return str(self.options.get("root_id", self.id))

    @property
    def parent_id(self) -> str | None:
        """The id of the job that called this one."""
        value = self.options.get("parent_id")
        return None if value is None else str(value)

    @property
    def headers(self) -> dict[str, Any]:
        """The caller's own headers; they survive retries."""
        return dict(self.options.get("headers") or {})

    @property
    def eta(self) -> str | None:
        """The absolute time the caller asked for (ISO 8601), or None."""
        return self.options.get("eta")

    @property
    def expires(self) -> str | float | None:
        """The expiry the caller asked for: seconds, or an ISO 8601 time, or None."""
        return self.options.get("expires")

    @property
    def time_limit(self) -> float | None:
        """The hard time limit of this run in seconds, or None."""
        return self.limits[0]

    @property
    def soft_time_limit(self) -> float | None:
        """The soft time limit of this run in seconds, or None."""
        return self.limits[1]

    @property
    def timelimit(self) -> list[float | None]:
        """`[hard, soft]`, as Celery spells it."""
        return list(self.limits)

    @property
    def correlation_id(self) -> str:
        """The job's id."""
        return self.id

    @property
    def delivery_info(self) -> dict[str, Any]:
        """Where the job came from, in Celery's words."""
        return {
            "exchange": "",
            "routing_key": self.queue,
            "priority": self.priority,
            "redelivered": self.delivery.receipt > 1,
            "is_eager": self.is_eager,
        }

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute of that name, or `default`."""
        return getattr(self, name, default)

    def note(self, word: str, meta: Any, encode: Callable[[Any], bytes]) -> bool:
        """Tell the store how far the job is. False if this run is not the current one any more, or is eager."""
        content = encode([word, meta])
        return self._note is not None and self._note(self.delivery, content)

    def update_state(self, state: str = "PROGRESS", meta: Any = None) -> bool:
        """Tell whoever looks how far this job is, as `Task.update_state` does: for the jobs of a batch."""
        return self.note(state, meta, self.task_object.app.result_codec.encode)

    def raise_if_cancelled(self) -> None:
        """Raise JobCancelled if somebody asked to cancel this job: for long loops in task code."""
        if self.cancelled:
            raise JobCancelled(f"job {self.id} was cancelled while it ran")

    def _heed_options(self) -> None:
        """What the call says wins over what the task says. Raises SerializationError for what is no options."""
        self.options = checked_options(self.delivery.options)
        chosen, (hard_s, soft_s) = self.options.get, self.limits
        self.limits = chosen("time_limit", hard_s), chosen("soft_time_limit", soft_s)
        self.ignore_result = bool(chosen("ignore_result", self.ignore_result))
        self.input, self.group, self.group_index = chosen("input", ""), chosen("group"), chosen("group_index")

    def __repr__(self) -> str:
        return f"<Request {self.task}[{self.id}] attempt={self.attempt}>"


def running_request() -> Request | None:
    """The job that is running here, or None outside a job and in a batch, which is many."""
    current = current_job_var.get()
    return current if isinstance(current, Request) and not current.requests else None


def current_job() -> Request:
    """The job that is running here: in this thread, or in this asyncio task.

    Raises ConfigurationError outside a job, and in a batch.
    """
    request = running_request()
    if request is None and current_job_var.get() is not None:
        raise ConfigurationError("current_job() was called in a batch, which is many: use the requests it was given")
    if request is None:
        raise ConfigurationError("current_job() was called outside a job; it is known only while a task runs")
    return request


def decode_options(content: bytes) -> dict[str, Any]:
    """The options that travel with a job, by name."""
    if not content:
        return {}
    options: dict[str, Any] = json.loads(content)
    return options


def checked_options(content: bytes) -> dict[str, Any]:
    """As `decode_options`. Raises SerializationError if a run could not go by them."""
    try:
        found: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"the options of the job are no JSON: {error}") from error
    if not isinstance(found, dict):
        raise SerializationError(f"the options of the job are {found!r:.80}; expected an object, by name")
    options = cast("dict[str, Any]", found)
    for name in ("time_limit", "soft_time_limit"):
        if not _is_limit(options.get(name)):
            raise SerializationError(f"{name}={options[name]!r:.80} came with the job; expected seconds, 0 or more")
    if not isinstance(options.get("headers"), dict | None):
        raise SerializationError(f"headers={options['headers']!r:.80} came with the job; expected an object, by name")
    return options


def _is_limit(value: object) -> bool:
    if value is None:
        return True
    # Not infinity, nor an integer that no clock can add: Python's JSON reads both.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= sys.float_info.max


def encode_options(options: Mapping[str, Any]) -> bytes:
    """The opposite of `decode_options`: empty for nothing, so that a plain job carries no bytes.

    Raises SerializationError for what JSON itself does not have.
    """
    kept = {name: value for name, value in options.items() if value is not None}
    try:
        return _encode(kept).encode() if kept else b""
    except (TypeError, ValueError) as error:
        raise SerializationError(
            f"headers and options travel as plain JSON (text, numbers, lists, objects): {error}"
        ) from error

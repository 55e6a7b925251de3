"""What a job takes from those before it: read from the store when it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from treadle.edges import Input
from treadle.exceptions import JobNotFound, TreadleError
from treadle.result.failing import error_of
from treadle.result.inputs import all_inputs, value_of
from treadle.serialization.failure import describe_failure

if TYPE_CHECKING:
    from treadle.interfaces import Broker
    from treadle.request import Request
    from treadle.serialization import Codec
    from treadle.task import Task


#: The request, the error, and its traceback.
_ERRBACK_ARGUMENTS = 3


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """The job that failed, as its errback gets it."""

    id: str
    task: str = ""
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: Why it ended: `error`, `exhausted`, `crashed`, `skipped` ...
    reason: str = ""


def inputs_of(request: Request, codec: Codec, decode: Callable[[bytes], Any]) -> list[Any]:
    """The first arguments of a job, as its place in the workflow gives them.

    Raises BrokerUnavailable, JobNotFound if what it takes is not there (any more), and the error of a job that it
    follows and that did not succeed: it is run again by itself.
    """
    store, sources = request.store, [each for each in all_inputs(request.store, request.id) if each.place >= 0]
    if not sources:
        raise JobNotFound(f"what job {request.id} takes its arguments from")
    if request.input == "error":
        return _error_arguments(request, store, codec, sources)
    source = sources[0]
    if source.state != "succeeded":
        raise error_of(source.id, source.state, source.reason, source.error)
    return [value_of(store, decode, source)]


def _error_arguments(request: Request, store: Broker, codec: Codec, sources: Sequence[Input]) -> list[Any]:
    """The failed job, its error and the traceback; only its id, for a function that takes no three."""
    failed = [each for each in sources if each.state != "succeeded"]
    if not failed:
        # The first steps of a whole workflow follow a join, which follows whatever may fail.
        failed = [each for each in all_inputs(store, sources[0].id) if each.state != "succeeded"] or list(sources)
    source = next((each for each in failed if each.reason != "skipped"), failed[0])
    if _room(request.task_object, len(request.args)) < _ERRBACK_ARGUMENTS:
        return [source.id]
    error = error_of(source.id, source.state, source.reason, source.error)
    traceback = describe_failure(source.error).traceback if source.error else ""
    return [_failed_request(store, codec, source), error, traceback]


def _failed_request(store: Broker, codec: Codec, source: Input) -> FailedRequest:
    record = store.get([source.id]).get(source.id)
    if record is None:
        return FailedRequest(source.id, reason=source.reason)
    try:
        args, kwargs = codec.decode_call(record.payload)
    except TreadleError:  # arguments that cannot be read may be why it failed
        return FailedRequest(record.id, record.task, reason=record.reason)
    return FailedRequest(record.id, record.task, args, kwargs, record.reason)


def _room(task: Task[..., Any], taken: int) -> float:
    """How many positional arguments the function takes beside those that the call has."""
    kinds = [parameter.kind for parameter in inspect.signature(task.run).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return float("inf")
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(kind in positional for kind in kinds) - taken

"""How a run that ended becomes a settlement: who is told, and whether the job runs again."""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from treadle import signals
from treadle.exceptions import (
    Ignore,
    JobCancelled,
    Reject,
    Replaced,
    Retry,
    SerializationError,
    TimeLimitExceeded,
    UnusableValueError,
    WorkerLost,
)
from treadle.request import Request, encode_options
from treadle.retry import RetryAfter, decide
from treadle.serialization.failure import describe_failure, encode_failure
from treadle.settlement import Cancel, Complete, Fail, Release, Replace, Settlement
from treadle.settlement import Retry as RetrySettlement
from treadle.states import FAILURE, REVOKED, SUCCESS
from treadle.states import RETRY as RETRY_STATE
from treadle.task.options import RETRY_OPTIONS

if TYPE_CHECKING:
    from treadle.app import Treadle

logger = logging.getLogger(__name__)

NAMES_JOB = {"names_job": True}
#: What lies between a worker and the user's function.
_NOT_THE_USERS = ("treadle.execution", "treadle.worker", "treadle.middleware", "treadle.task", "asyncio", "concurrent")
_STORED_FIELDS = frozenset({"queue", "priority"})


class Interrupted(BaseException):
    """A run was stopped because the worker is going away: give the job back, uncharged."""


class Outcomes:
    """Judges how runs ended, and tells hooks, signals and the log."""

    def __init__(self, app: Treadle) -> None:
        self._encode_call = app.codec.encode_call

    def tell_success(self, request: Request, value: Any) -> None:
        """Tell hooks, signals and the debug log that a run returned `value`. What they raise is logged: the job
        has succeeded."""
        task = request.task_object
        logger.debug("task %s[%s] succeeded", request.task, request.id, extra=NAMES_JOB)
        with _only_logged(request):
            if "on_success" in task.hooks:
                task.on_success(value, request.id, request.args, request.kwargs)
        with _only_logged(request):
            signals.task_success.send(task, result=value, request=request)
        with _only_logged(request):
            self._after(request, SUCCESS, value, None)

    def judge(self, request: Request, error: BaseException) -> Settlement:
        """The settlement for a run that raised `error`, or the interruption that it stands for."""
        request.in_user_code = False
        if request.interruption is not None and _stands_for(error, request.interruption):
            error = request.interruption
        error.__traceback__ = _users_part(error.__traceback__)
        try:
            return self._judge(request, error)
        except BaseException as hook_error:
            if is_the_callers(hook_error, request):
                raise
            # A hook that raises must not cost the job its outcome: the job fails with what the hook raised.
            logger.exception("a hook of task %s[%s] raised", request.task, request.id, extra=NAMES_JOB)
            return Fail(request.delivery, "error", encode_failure(hook_error))
        finally:
            # The frames of user code would keep everything they hold alive for as long as the error lives.
            traceback.clear_frames(error.__traceback__)

    def _judge(self, request: Request, error: BaseException) -> Settlement:
        if isinstance(error, Interrupted):
            return Release(request.delivery, request.delivery.suspect)
        if isinstance(error, Ignore | Replaced):
            return self._ended_without_value(request, error)
        if isinstance(error, Reject):
            return self._rejected(request, error)
        if isinstance(error, Retry):
            return self._again(request, error.exc or error, error.delay_s, error.changes)
        if isinstance(error, JobCancelled) and request.cancelled:
            return self._cancelled(request, error)
        return self._failed(request, error)

    def _ended_without_value(self, request: Request, error: Ignore | Replaced) -> Settlement:
        self._after(request, SUCCESS, None, None)
        if isinstance(error, Replaced):
            return Replace(request.delivery, error.source, error.gate)
        return Complete(request.delivery)

    def _failed(self, request: Request, error: BaseException) -> Settlement:
        if error is request.gave_up:
            return self._fail(request, error, "exhausted")
        if isinstance(error, UnusableValueError):
            return self._fail(request, error, "error")
        decision = decide(request.task_object.retry_policy, error, retries=request.retries, chance=random.random())
        if isinstance(decision, RetryAfter):
            return self._again(request, error, decision.delay_s, {})
        return self._fail(request, error, _reason_of_death(request, error) or decision.reason)

    def _fail(self, request: Request, error: BaseException, reason: str) -> Fail:
        content = request.delivery.verdict or encode_failure(error)
        self._tell_failure(request, error, describe_failure(content).traceback)
        return Fail(request.delivery, reason, content)

    def _again(self, request: Request, error: BaseException, delay_s: float, changes: Mapping[str, Any]) -> Settlement:
        try:
            payload = self._changed_payload(request, changes)
            options = _changed_options(request, changes, has_all_arguments=payload is not None)
        except SerializationError as unserializable:
            return self._fail(request, unserializable, "error")
        content = encode_failure(error)
        self._tell_retry(request, error, delay_s, describe_failure(content).traceback)
        return RetrySettlement(
            request.delivery,
            round(delay_s * 1000),
            content,
            payload=payload,
            options=options,
            queue=changes.get("queue"),
            priority=changes.get("priority"),
        )

    def _changed_payload(self, request: Request, changes: Mapping[str, Any]) -> bytes | None:
        args, kwargs = changes.get("args"), changes.get("kwargs")
        if args is None and kwargs is None:
            return None
        return self._encode_call(
            tuple(request.args if args is None else args), dict(request.kwargs if kwargs is None else kwargs)
        )

    def _rejected(self, request: Request, error: Reject) -> Settlement:
        if signals.task_rejected.has_receivers:
            signals.task_rejected.send(None, message=request, exc=error)
        if error.requeue and not request.is_eager:  # on the spot it would come back at once, for ever
            return RetrySettlement(request.delivery, 0, encode_failure(error, with_traceback=False))
        return self._fail(request, error, "rejected")

    def _cancelled(self, request: Request, error: BaseException) -> Settlement:
        if signals.task_revoked.has_receivers:
            task = request.task_object
            signals.task_revoked.send(task, request=request, terminated=True, signum=None, expired=False)
        self._after(request, REVOKED, error, None)
        return Cancel(request.delivery, "revoked", encode_failure(error, with_traceback=False))

    # Who is told -----------------------------------------------------------------------------------

    def _tell_retry(self, request: Request, error: BaseException, delay_s: float, trace: str) -> None:
        task, name = request.task_object, f"{request.task}[{request.id}]"
        logger.info("task %s will run again in %.3g s: %r", name, delay_s, error, extra=NAMES_JOB)
        if "on_retry" in task.hooks:
            task.on_retry(error, request.id, request.args, request.kwargs, trace)
        if signals.task_retry.has_receivers:
            signals.task_retry.send(task, request=request, reason=error, einfo=trace)
        self._after(request, RETRY_STATE, error, trace)

    def _tell_failure(self, request: Request, error: BaseException, trace: str) -> None:
        task = request.task_object
        if task.retry_policy.is_expected(error):
            logger.info("task %s[%s] raised an expected error: %r", request.task, request.id, error, extra=NAMES_JOB)
        else:
            logger.error("task %s[%s] failed: %r\n%s", request.task, request.id, error, trace, extra=NAMES_JOB)
        if "on_failure" in task.hooks:
            task.on_failure(error, request.id, request.args, request.kwargs, trace)
        if signals.task_failure.has_receivers:
            signals.task_failure.send(
                task,
                task_id=request.id,
                exception=error,
                args=request.args,
                kwargs=request.kwargs,
                traceback=error.__traceback__,
                einfo=trace,
            )
        self._after(request, FAILURE, error, trace)

    def _after(self, request: Request, state: str, value: Any, trace: str | None) -> None:
        task = request.task_object
        try:
            if "after_return" in task.hooks:
                task.after_return(state, value, request.id, request.args, request.kwargs, trace)
        finally:
            if signals.task_postrun.has_receivers:
                signals.task_postrun.send(
                    task,
                    task_id=request.id,
                    task=task,
                    args=request.args,
                    kwargs=request.kwargs,
                    retval=value,
                    state=state,
                )


def is_the_callers(error: BaseException, request: Request) -> bool:
    """Whether it is the Ctrl-C of somebody who runs a job on the spot."""
    return request.is_eager and isinstance(error, KeyboardInterrupt)


@contextmanager
def _only_logged(request: Request) -> Generator[None]:
    """What a hook raises within the block changes nothing for the job."""
    try:
        yield
    except BaseException as error:
        if is_the_callers(error, request):
            raise
        logger.exception("a hook of task %s[%s] raised", request.task, request.id, extra=NAMES_JOB)


def _stands_for(error: BaseException, interruption: BaseException) -> bool:
    """Asyncio says CancelledError, and an asynchronous exception is a bare one of the same class."""
    return type(error).__name__ == "CancelledError" or type(error) is type(interruption)


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame: nobody wants to read how a worker calls a function."""
    part = trace
    while part is not None and str(part.tb_frame.f_globals.get("__name__")).startswith(_NOT_THE_USERS):
        part = part.tb_next
    return part or trace


def _reason_of_death(request: Request, error: BaseException) -> str | None:
    """The reason for errors that were not raised by the code but happened to it."""
    if isinstance(error, TimeLimitExceeded):
        return "time_limit"
    return "crashed" if request.delivery.verdict and isinstance(error, WorkerLost) else None


def _changed_options(request: Request, changes: Mapping[str, Any], *, has_all_arguments: bool) -> bytes | None:
    named = {name: changes[name] for name in RETRY_OPTIONS - _STORED_FIELDS if name in changes}
    if has_all_arguments and request.input:
        named["input"] = None  # what it took from the jobs before it is among its own arguments now
    return encode_options({**request.options, **named}) if named else None

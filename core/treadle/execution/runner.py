"""Runs one delivery and says how it went: from a `Delivery` to a `Settlement`.

Every end of a run (return, exception, time limit, death of the process, cancellation) goes through
here, so that hooks, signals and the retry decision are the same for all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from treadle import signals
from treadle.exceptions import BrokerUnavailable, SecurityError, SerializationError, TaskNotRegistered
from treadle.execution.inputs import inputs_of
from treadle.execution.outcome import NAMES_JOB, Interrupted, Outcomes, is_the_callers, logger
from treadle.execution.threads import call_in_thread, run_in_new_loop
from treadle.execution.values import Escaped, check_unkept, landed, unserializable
from treadle.observe.current import current_job_var
from treadle.request import Request
from treadle.serialization.failure import decode_failure, encode_failure
from treadle.settlement import Complete, Fail, Settlement

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.interfaces import Broker
    from treadle.job import Delivery


#: Who listens. Asked once or twice per job, so without the detour of a call.
_PRERUN = signals.task_prerun.receivers
_POSTRUN = signals.task_postrun.receivers
_SUCCESS = signals.task_success.receivers


class Runner:
    """Runs deliveries for one child. Thread-safe: pools with several slots share one."""

    def __init__(
        self,
        app: Treadle,
        *,
        hostname: str = "",
        is_eager: bool = False,
        note: Callable[[Delivery, bytes], bool] | None = None,
        store: Broker | None = None,
    ) -> None:
        self._tasks = app.tasks
        self._known_tasks = app.tasks.own
        self._codec = app.codec
        self._decode_call = app.codec.decode_call
        self._encode, self._decode = app.result_codec.encode, app.result_codec.decode
        self._hostname = hostname
        self._is_eager = is_eager
        self._note = note
        self._store = store
        self._outcomes = Outcomes(app)
        self._execute = app.middleware.fold_execute(_call)
        self._aexecute = app.middleware.fold_aexecute(_acall)
        #: Runs a coroutine to its end from a thread that has no running loop. A pool sets it.
        self.await_in_thread: Callable[[Any], Any] = run_in_new_loop
        #: Runs a function in a thread, awaitably. The asyncio pool sets it.
        self.call_in_thread: Callable[..., Any] = call_in_thread

    def prepare(self, delivery: Delivery) -> Request | Fail:
        """The request to run; or the failure of a delivery that cannot be run."""
        task = self._known_tasks.get(delivery.task) or self._tasks.get(delivery.task)
        if task is None:
            return self._unregistered(delivery)
        try:
            args, kwargs = self._decode_call(delivery.payload)
            return Request(
                delivery,
                task,
                args,
                kwargs,
                hostname=self._hostname,
                is_eager=self._is_eager,
                note=self._note,
                store=self._store,
            )
        except (SerializationError, SecurityError) as error:
            return _not_run(delivery, "undecodable", error)

    def run(self, request: Request) -> Settlement:
        """Run the function in this thread. Whatever it raises, SystemExit too, ends this run only."""
        token = current_job_var.set(request)
        try:
            if request.input:
                self._take_inputs(request)
            self._begin(request)
            if request.task_object.is_async:
                value = landed(self.await_in_thread(self._contained(request)))
            else:
                value = self._execute(request)
            return self._succeeded(request, value)
        except BaseException as error:
            if is_the_callers(error, request):
                raise
            return self.judge(request, error)
        finally:
            current_job_var.reset(token)

    async def arun(self, request: Request) -> Settlement:
        """`run` on this event loop; a `def` runs in a thread beside it."""
        token = current_job_var.set(request)
        try:
            if request.input:
                await call_in_thread(self._take_inputs, request)
            self._begin(request)
            if request.task_object.is_async:
                value = await self._aexecute(request)
            else:
                value = await self.call_in_thread(self._execute, request)
            return self._succeeded(request, value)
        except BaseException as error:
            if is_the_callers(error, request):
                raise
            return self.judge(request, error)
        finally:
            current_job_var.reset(token)

    def judge(self, request: Request, error: BaseException) -> Settlement:
        """The settlement for a run that ended with `error`, or with the interruption that it stands for."""
        return self._outcomes.judge(request, error)

    def _take_inputs(self, request: Request) -> None:
        """Put what the job takes from those before it in front of its arguments."""
        try:
            request.args = [*inputs_of(request, self._codec, self._decode), *request.args]
        except BrokerUnavailable as error:
            # The function has not been called: the job waits until the store can be asked.
            raise Interrupted from error

    def _begin(self, request: Request) -> None:
        """Tell that the run starts. Raises the verdict of a job whose process was killed: it is judged here,
        where the application is loaded, and not run."""
        if request.delivery.verdict:
            raise decode_failure(request.delivery.verdict)
        task = request.task_object
        if _PRERUN:
            signals.task_prerun.send(task, task_id=request.id, task=task, args=request.args, kwargs=request.kwargs)
        if "before_start" in task.hooks:
            task.before_start(request.id, request.args, request.kwargs)
        request.in_user_code = True

    def _succeeded(self, request: Request, value: Any) -> Settlement:
        request.in_user_code = False
        if request.retry_asked is not None:
            raise request.retry_asked
        content = b""
        if value is not None:
            try:
                content = check_unkept(request.task, value) if request.ignore_result else self._encode(value)
            except SerializationError as error:
                raise unserializable(request.task, value, error) from error
        if request.task_object.hooks or _SUCCESS or _POSTRUN or logger.isEnabledFor(logging.DEBUG):
            self._outcomes.tell_success(request, value)
        return Complete(request.delivery, content)

    async def _contained(self, request: Request) -> Any:
        """As `_aexecute`, but what would end the event loop that others share comes back as a value."""
        try:
            return await self._aexecute(request)
        except (SystemExit, KeyboardInterrupt) as error:
            return Escaped(error)

    def _unregistered(self, delivery: Delivery) -> Fail:
        if signals.task_unknown.has_receivers:
            signals.task_unknown.send(None, name=delivery.task, id=delivery.id, message=delivery)
        error = TaskNotRegistered(
            f"no task named {delivery.task!r} is registered in this worker; does it import the module that defines it?"
        )
        return _not_run(delivery, "unregistered", error)


def _not_run(delivery: Delivery, reason: str, error: Exception) -> Fail:
    logger.error("task %s[%s] cannot be run (%s): %s", delivery.task, delivery.id, reason, error, extra=NAMES_JOB)
    return Fail(delivery, reason, encode_failure(error, with_traceback=False))


def _call(request: Request) -> Any:
    return request.task_object.entry(*request.args, **request.kwargs)


async def _acall(request: Request) -> Any:
    return await request.task_object.entry(*request.args, **request.kwargs)

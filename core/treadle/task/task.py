"""A task: a registered function, its options, and the ways to call it as a job."""

from __future__ import annotations

import random
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from treadle.current import current_app_object
from treadle.exceptions import ConfigurationError, Replaced, Retry
from treadle.request import Request, running_request
from treadle.retry import GiveUp, decide_requested, final_error
from treadle.task.batch import batch_entry
from treadle.task.definition import Definition
from treadle.task.options import check_retry_options
from treadle.workflows.mapping import Chunks, Mapped, StarMapped
from treadle.workflows.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import NoReturn, Unpack

    from treadle.result import AsyncResult, EagerResult
    from treadle.task.options import CallOptions

P = ParamSpec("P")
R = TypeVar("R")


class Task(Definition, Generic[P, R]):
    """A function that can be called as a job. Subclass it to share hooks and options between tasks.

    Hooks that a subclass overrides run in the worker: `before_start`, `on_success`, `on_retry`,
    `on_failure`, `after_return`; and so does its `__call__`, around `self.run`. There is one object per
    task, app and process.
    """

    # Calling ---------------------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function itself, here and now: no job is made."""
        value: R = self.run(*args, **kwargs)
        return value

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Publish a job with these arguments. Raises as `apply_async` does."""
        return self.app.publisher.publish_call(self, args, kwargs, {})

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """`delay`, without blocking the event loop."""
        return await self.app.publisher.apublish_call(self, args, kwargs, {})

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncResult[R]:
        """Publish a job, with options for this call.

        Raises TypeError if the arguments do not fit the function, ConfigurationError for unknown options,
        SerializationError if a value cannot travel, BrokerUnavailable if the broker does not answer.
        """
        return self.app.publisher.publish_call(self, _tuple(args), dict(kwargs or {}), options)

    async def aapply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncResult[R]:
        """`apply_async`, without blocking the event loop."""
        return await self.app.publisher.apublish_call(self, _tuple(args), dict(kwargs or {}), options)

    def delay_on_commit(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """The same as `delay`: the job is published at once, and waits for no transaction. Kept for Celery's users."""
        return self.delay(*args, **kwargs)

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        throw: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> EagerResult[R]:
        """Run a job here and now, through everything that a worker does: serialization, middleware, hooks,
        retries (without their waits). `throw` raises its error; the default is `task_eager_propagates`."""
        return self.app.publisher.run_here(self, _tuple(args), dict(kwargs or {}), options, throw=throw)

    # Signatures ------------------------------------------------------------------------------------

    def signature(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        **options: Any,
    ) -> Signature:
        """A call that has not been made yet. Arguments may still be missing."""
        return Signature(self.name, args, kwargs, options, immutable=immutable, app=self._app)

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """`signature` with these arguments."""
        return self.signature(args, kwargs)

    def si(self, *args: P.args, **kwargs: P.kwargs) -> Signature:
        """`s`, immutable: it ignores the results of what runs before it, so its arguments are complete."""
        return self.signature(args, kwargs, immutable=True)

    def map(self, items: Iterable[Any], **options: Any) -> Mapped:
        """One job that calls the task for each item, one after the other: its value is the list of theirs."""
        return Mapped(self, items, app=self._app, **options)

    def starmap(self, items: Iterable[Iterable[Any]], **options: Any) -> StarMapped:
        """The same, where each item is a list of arguments."""
        return StarMapped(self, items, app=self._app, **options)

    def chunks(self, items: Iterable[Iterable[Any]], size: int, **options: Any) -> Chunks:
        """A group of starmaps over `size` items each: fewer jobs than items."""
        return Chunks(self, items, size, app=self._app, **options)

    # Inside a running job --------------------------------------------------------------------------

    @property
    def request(self) -> Request:
        """The job of this task that is running here; outside one, an empty request that says `called_directly`."""
        request = running_request()
        return request if request is not None and request.task == self.name else Request.direct(self)

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | str | None = None,
        *,
        countdown: float | timedelta | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """End this run and run the job again later: `raise self.retry(exc=error)`.

        Waits `countdown` seconds, or until `eta`, or as the task's retry options say. When the retries are
        used up it raises `exc`, or MaxRetriesExceeded. With `throw=False` it returns, and the job runs again
        once this run has returned. `args`, `kwargs` and options (`queue`, `priority`, `headers`, `time_limit`,
        `soft_time_limit`, `ignore_result`) replace those of the job.
        """
        if self.batch is not None:
            raise ConfigurationError(
                "self.retry() is for one job: a batch task answers an exception, or Retry(delay_s=...), for that job"
            )
        request = self.request
        if request.called_directly:
            raise exc if exc is not None else Retry("the task was called as a function; there is no job to retry")
        check_retry_options(options)
        decision = decide_requested(
            request.task_object.retry_policy,
            retries=request.retries,
            chance=random.random(),
            error=exc,
            countdown_s=self.app.publisher.wait_s(countdown, eta),
            max_retries=max_retries,
        )
        if isinstance(decision, GiveUp):
            request.gave_up = final_error(exc, task=self.name, retries=request.retries)
            raise request.gave_up
        retry = Retry(exc=exc, delay_s=decision.delay_s, args=args, kwargs=kwargs, **options)
        if throw:
            raise retry
        request.retry_asked = retry
        return retry

    def replace(self, signature: Mapping[str, Any]) -> NoReturn:
        """End this run, and let what `signature` stands for take this job's place: `raise self.replace(...)`.

        The job keeps its id, and what follows it; it ends as the replacement ends, with its value (of a group: the
        list). Raises ConfigurationError outside a job, and for an empty chain.
        """
        raise Replaced(*self.app.workflows.publish_replacement(self._own_request("replace()"), signature))

    async def areplace(self, signature: Mapping[str, Any]) -> NoReturn:
        """`replace`, without blocking the event loop."""
        import asyncio  # loaded by whoever can await this

        request = self._own_request("areplace()")
        raise Replaced(*await asyncio.to_thread(self.app.workflows.publish_replacement, request, signature))

    def add_to_chord(self, signature: Mapping[str, Any]) -> AsyncResult[Any]:
        """Add one more member to the group that this job is a member of, while it runs; its handle.

        Raises ConfigurationError if the job is no member of a group, or that has ended already.
        """
        request = self._own_request("add_to_chord()")
        if request.group is None:
            raise ConfigurationError(f"job {request.id} is no member of a group, so nothing can be added to one")
        member: AsyncResult[Any] = self.app.workflows.add_to_group(request.group, signature, request=request)
        return member

    def _own_request(self, what: str) -> Request:
        request = self.request
        if request.called_directly:
            raise ConfigurationError(f"{what} was called outside a job; it works only while a task runs as one")
        return request

    def update_state(self, task_id: str | None = None, state: str = "PROGRESS", meta: Any = None) -> bool:
        """Tell whoever looks how far this job is. False if this run is not the current one any more.

        `AsyncResult.state` shows `state` and `AsyncResult.info` shows `meta` while the job runs.
        """
        request = self.request
        if request.called_directly or task_id not in (None, request.id):
            raise ConfigurationError("update_state() works inside the running job, for that job only")
        return request.note(state, meta, self.app.result_codec.encode)

    @cached_property
    def entry(self) -> Callable[..., Any]:
        """What a worker calls: `run`, or a `__call__` that the task's class puts around it."""
        body = self if _wraps_calls(type(self)) else self.run
        return body if self.batch is None else batch_entry(body, is_async=self.is_async)

    def __repr__(self) -> str:
        return f"<@task {self.name}>"

    def __reduce__(self) -> tuple[Callable[[str], Task[..., Any]], tuple[str]]:
        return task_by_name, (self.name,)


class AsyncTask(Task[P, R]):
    """A task whose body is an `async def`; `R` is what it returns when awaited."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:  # type: ignore[override]
        """The coroutine of the function itself: no job is made."""
        coroutine: Coroutine[Any, Any, R] = self.run(*args, **kwargs)
        return coroutine


class BatchTask(Task[..., R]):
    """A task that runs many jobs in one call; `R` is what each of them ends with."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function itself, which wants a list of requests: no job is made."""
        return self.run(*args, **kwargs)


def task_by_name(name: str) -> Task[..., Any]:
    """The current app's task of that name."""
    return current_app_object().tasks[name]


def _wraps_calls(kind: type[object]) -> bool:
    """Whether a task's class has a `__call__` of its own."""
    return kind.__call__ not in [vars(plain)["__call__"] for plain in (Task, AsyncTask, BatchTask)]


def _tuple(args: Sequence[Any] | None) -> tuple[Any, ...]:
    """Positional arguments. A text is a sequence too, but nobody means its letters."""
    if args is None or isinstance(args, list | tuple):
        return tuple(args or ())
    raise TypeError(f"args={args!r:.80}: expected a list or tuple of positional arguments, such as ({args!r:.80},)")

"""Makes jobs of calls and hands them to the app's broker."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar

from treadle import signals
from treadle.exceptions import ConfigurationError
from treadle.job import Job, new_id
from treadle.publisher.announcing import announce_published, announced
from treadle.publisher.call import Call, is_composed, is_workflow
from treadle.publisher.checks import check_limits, checked_id, checked_limit, checked_priority, checked_task_name
from treadle.publisher.handover import hand_over, terms_of, terms_var
from treadle.publisher.times import NO_TIMES, Times, duration_ms, instant_ms, spelt, times_of
from treadle.request import encode_options, running_request
from treadle.result import AsyncResult
from treadle.task.options import check_call_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.app import Treadle
    from treadle.interfaces import Broker
    from treadle.result import EagerResult
    from treadle.task import Task

R = TypeVar("R")

#: Jobs handed over in one round trip.
_BATCH = 500
_NOTHING: tuple[Any, Job | None] = (None, None)


class Publisher:
    """Makes jobs of calls and hands them to the app's broker."""

    def __init__(self, app: Treadle) -> None:
        self._app = app
        #: By the name of the task: what it and the settings said, and the job of a usual call by that.
        self._usual: dict[str, tuple[Any, Job | None]] = {}

    def publish_call(
        self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        """Publish one job; answers its handle."""
        if options and is_workflow(options):
            return self._app.workflows.publish_call(task.name, args, kwargs, options)
        return self._publish_one(self._checked_call(task, args, kwargs, options))

    async def apublish_call(
        self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        """`publish_call`, without blocking the event loop."""
        if options and is_workflow(options):
            return await in_thread(
                options, lambda own: self._app.workflows.publish_call(task.name, args, kwargs, {**options, **own})
            )
        call = self._checked_call(task, args, kwargs, options)
        return await in_thread(options, lambda own: self._publish_one(call._replace(options={**options, **own})))

    def send(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        """Publish a job for a task by its name, which need not be registered here."""
        if options and is_workflow(options):
            return self._app.workflows.publish_call(name, args, kwargs, options)
        return self._publish_one(self.call_by_name(name, args, kwargs, options))

    def publish_many(
        self, signatures: Iterable[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> list[AsyncResult[Any]]:
        """Publish what each signature stands for, jobs in batches of one round trip; answers handles in order.

        Each batch is published as a whole or not at all. Raises for the first signature that is wrong:
        batches before its own are published then.
        """
        if options.get("task_id") is not None:
            raise ConfigurationError("task_id= would give all these jobs one id: give each signature its own")
        results: list[AsyncResult[Any]] = []
        for is_more, some in groupby(signatures, lambda each: is_composed(each, options)):
            if is_more:
                results += [self._app.workflows.publish(each, (), {}, options) for each in some]
                continue
            calls = (
                self.call_by_name(each["task"], each["args"], each["kwargs"], {**each["options"], **options})
                for each in some
            )
            results += [result for batch in _batches(calls) for result in self._publish_batch(batch, options)]
        return results

    async def apublish_many(
        self, signatures: Iterable[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> list[AsyncResult[Any]]:
        """`publish_many`, without blocking the event loop."""
        return await in_thread(options, lambda own: self.publish_many(signatures, {**options, **own}))

    def run_here(
        self,
        task: Task[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: Mapping[str, Any],
        *,
        throw: bool | None = None,
    ) -> EagerResult[Any]:
        """Run a call on the spot; `throw` raises its error (default: the setting `task_eager_propagates`)."""
        return self._app.run_eagerly(self.job(self._checked_call(task, args, kwargs, options)), throw=throw)

    def job(self, call: Call) -> Job:
        """The job that this call makes. Nothing is published.

        The call's options win over the routes, the routes over the task, the task over the settings.
        """
        task = call.task
        if task is None or call.options or self._app.routes or running_request() is not None:
            return self._job_of_its_own(call)
        # The usual call says nothing but its arguments: its job is as that of the call before, if the task and the
        # settings still say the same. What they say is noted before the job is made, as it may change meanwhile.
        said = (task, task.queue, task.priority, task.expires, task.acks_late, self._app.terms)
        noted, usual = self._usual.get(call.name, _NOTHING)
        if noted != said or usual is None:
            job = self._job_of_its_own(call)
            self._usual[call.name] = said, job._replace(payload=b"")
            return job
        payload = self._app.codec.encode_call(
            call.args, call.kwargs, serializer=task.serializer, compression=task.compression
        )
        return Job(new_id(), usual.task, payload, *usual[3:])

    def wait_s(self, countdown: Any, eta: Any) -> float | None:
        """Seconds from now that either means, 0 if it has passed; None if neither was given. `eta` wins."""
        if eta is not None:
            return max(0.0, instant_ms("eta", eta, self._zone) / 1000 - time.time())
        return None if countdown is None else max(0.0, duration_ms("countdown", countdown) / 1000)

    # From a call to a job --------------------------------------------------------------------------

    def _job_of_its_own(self, call: Call) -> Job:
        app, conf, task = self._app, self._app.conf, call.task
        options = self._merged(call) if call.options or app.routes else call.options
        chosen = options.get
        payload = app.codec.encode_call(
            call.args,
            call.kwargs,
            serializer=chosen("serializer") or (task.serializer if task is not None else None),
            compression=chosen("compression") or (task.compression if task is not None else None),
        )
        queue = chosen("queue") or (task and task.queue) or conf.task_default_queue
        priority = chosen("priority")
        if priority is None:
            priority = task.priority if task is not None and task.priority is not None else conf.task_default_priority
        times = self._times(options, task)
        return Job(
            id=new_id() if chosen("task_id") is None else checked_id(options["task_id"]),
            task=checked_task_name(call.name),
            payload=payload,
            queue=app.checked_queue(queue),
            priority=checked_priority(priority) if priority else 0,
            options=self._travelling(options, task, call.place),
            delay_ms=times.delay_ms,
            eta_ms=times.eta_ms,
            ttl_ms=times.ttl_ms,
            expires_ms=times.expires_ms,
            redeliver=conf.task_acks_late if task is None or task.acks_late is None else task.acks_late,
        )

    def _checked_call(
        self, task: Task[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: Mapping[str, Any]
    ) -> Call:
        if task.is_shared:
            task = self._app.tasks[task.name]
        check = task.check
        if check is not None:
            check(*args, **kwargs)
        return Call(task.name, args, kwargs, options, task)

    def call_by_name(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Call:
        """What a task is to be called with. Raises TypeError if it cannot be, where the task is known."""
        task = self._app.tasks.get(name)
        if task is None:
            return Call(name, tuple(args), dict(kwargs), options, None)
        return self._checked_call(task, tuple(args), dict(kwargs), options)

    def _merged(self, call: Call) -> Mapping[str, Any]:
        check_call_options(call.options)
        routed = self._app.routes(call.name, call.args, call.kwargs, call.options, call.task)
        return {**routed, **{option: value for option, value in call.options.items() if value is not None}}

    def _times(self, options: Mapping[str, Any], task: Task[..., Any] | None) -> Times:
        expires = options.get("expires")
        if expires is None and task is not None:
            expires = task.expires
        if not options and expires is None:
            return NO_TIMES
        return times_of(options.get("countdown"), options.get("eta"), expires, self._zone)

    def _travelling(self, options: Mapping[str, Any], task: Task[..., Any] | None, place: Mapping[str, Any]) -> bytes:
        """What only the worker needs, encoded."""
        parent = running_request()
        if not options and parent is None:
            return b""
        kept = {**place, **{name: options[name] for name in ("headers", "ignore_result") if name in options}}
        kept.update({name: spelt(options[name]) for name in ("eta", "expires") if name in options})
        limits = {name: checked_limit(name, options.get(name)) for name in ("time_limit", "soft_time_limit")}
        if any(limits.values()):
            kept.update(limits)
            hard_s, soft_s = (limits[name] or (task.limit(name) if task is not None else None) for name in limits)
            check_limits(soft_s, hard_s)
        if parent is not None:
            kept["parent_id"], kept["root_id"] = parent.id, parent.root_id
        return encode_options(kept)

    def _zone(self) -> Any:
        return self._app.naive_zone

    # From a job to the broker ----------------------------------------------------------------------

    def _publish_one(self, call: Call) -> AsyncResult[Any]:
        job = self.job(call)
        if self._app.conf.task_always_eager:
            return self._app.run_eagerly(job)
        if signals.before_task_publish.has_receivers:
            job = announced(job, call)
        self.hand_over([job], call.options)
        if signals.after_task_publish.has_receivers:
            announce_published(job, call)
        return AsyncResult(job.id, app=self._app, task_name=job.task)

    def _publish_batch(self, calls: list[Call], options: Mapping[str, Any]) -> list[AsyncResult[Any]]:
        jobs = [self.job(call) for call in calls]
        if self._app.conf.task_always_eager:
            return [self._app.run_eagerly(job) for job in jobs]
        if signals.before_task_publish.has_receivers:
            jobs = [announced(job, call) for job, call in zip(jobs, calls, strict=True)]
        self.hand_over(jobs, options)
        if signals.after_task_publish.has_receivers:
            for job, call in zip(jobs, calls, strict=True):
                announce_published(job, call)
        return [AsyncResult(job.id, app=self._app, task_name=job.task) for job in jobs]

    def hand_over(self, jobs: Sequence[Job], options: Mapping[str, Any]) -> None:
        """Publish jobs on the terms that the options name, through the middleware."""
        terms = terms_of(options) if options else None
        if terms is None and not self._app.middleware:
            self._app.broker.publish(jobs)
            return
        token = terms_var.set(terms)
        try:
            self._app.middleware.fold_publish(self._last_call)(jobs)
        finally:
            terms_var.reset(token)

    @cached_property
    def _last_call(self) -> Callable[[Sequence[Job]], None]:
        """What the middleware is wrapped around: always the same, so that it is wrapped once."""
        return lambda jobs: hand_over(self._broker(), jobs)

    def _broker(self) -> Broker:
        return self._app.broker


def _batches(calls: Iterable[Call]) -> Iterator[list[Call]]:
    iterator = iter(calls)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


async def in_thread(options: Mapping[str, Any], publish: Callable[[dict[str, Any]], R]) -> R:
    """Call `publish` in a thread with the options to change; with a caller's connection, where that must be used."""
    terms = terms_of(options)
    if terms is None or terms.connection is None:
        import asyncio  # loaded by whoever can await this; too heavy for everybody else

        return await asyncio.to_thread(publish, {})
    run_sync = getattr(terms.connection, "run_sync", None)
    if run_sync is None:
        # A connection belongs to the thread that uses it, and blocks the loop as whatever else its owner does with it.
        return publish({})
    # SQLAlchemy's AsyncSession and AsyncConnection lend their synchronous selves inside `run_sync`.

    def publish_through(lent: Any) -> R:
        return publish({"connection": lent, "session": None})

    answer: R = await run_sync(publish_through)
    return answer

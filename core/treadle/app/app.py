"""The app: the one place where parts are chosen and joined."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from treadle import signals
from treadle.app.discovery import import_related
from treadle.app.parts import Parts
from treadle.current import set_current_app
from treadle.exceptions import ConfigurationError, NotSupported
from treadle.registry import make_task
from treadle.routing import check_queue
from treadle.task import Task, check_task_options
from treadle.workflows.signature import signature

if TYPE_CHECKING:
    from typing import Literal, Unpack

    from treadle.interfaces import Broker
    from treadle.job import Job
    from treadle.result import AsyncResult, EagerResult, GroupResult, Workflow
    from treadle.task import AsyncTask, Batch, TaskOptions
    from treadle.task.decorators import BatchDecorator, BindingBatchDecorator, BindingDecorator, Decorator
    from treadle.workflows.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")
SomeTask = TypeVar("SomeTask", bound=Task[..., Any])


class Treadle(Parts):
    """An application's background work: its tasks, its settings, its broker.

    `broker` is a URL (see docs/brokers); without one it is the SQLite file `treadle.sqlite3` beside the
    project's pyproject.toml, else in the working directory. Other keywords are settings. Nothing connects
    before it must.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        broker: str | None = None,
        backend: str | None = None,
        plugins: Iterable[object] = (),
        set_as_current: bool = True,
        **settings: Any,
    ) -> None:
        named = {"broker_url": broker, "result_backend": backend}
        super().__init__(name, {**{k: v for k, v in named.items() if v is not None}, **settings}, plugins)
        self._undiscovered: list[Callable[[], None]] = []
        if set_as_current:
            set_current_app(self)

    # Tasks -----------------------------------------------------------------------------------------

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self, function: None = None, /, *, batch: Batch, bind: Literal[True], **options: Unpack[TaskOptions]
    ) -> BindingBatchDecorator: ...
    @overload
    def task(
        self, function: None = None, /, *, batch: Batch, bind: Literal[False] = False, **options: Unpack[TaskOptions]
    ) -> BatchDecorator: ...
    @overload
    def task(
        self, function: None = None, /, *, bind: Literal[True], **options: Unpack[TaskOptions]
    ) -> BindingDecorator: ...
    @overload
    def task(
        self, function: None = None, /, *, bind: Literal[False] = False, **options: Unpack[TaskOptions]
    ) -> Decorator: ...
    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a task of a function: `@app.task`, or `@app.task(queue="mail", max_retries=5)`."""
        if function is not None:
            return self.tasks.add(make_task(self, function, options))
        check_task_options(options)

        def decorate(function: Callable[..., Any]) -> Task[..., Any]:
            return self.tasks.add(make_task(self, function, options))

        return decorate

    def register_task(self, task: SomeTask | type[SomeTask], **options: Any) -> SomeTask:
        """Register a class-based task: an object, or the class of one."""
        made = task() if isinstance(task, type) else task
        check_task_options(options)
        made.define(self, None, {"name": made.name or f"{type(made).__module__}.{type(made).__name__}", **options})
        self.tasks.add(made)
        return made

    def autodiscover_tasks(
        self,
        packages: Iterable[str] | Callable[[], Iterable[str]] | None = None,
        related_name: str | None = "tasks",
    ) -> None:
        """Import the module `related_name` of each package when a worker loads the tasks.

        `packages` may be called then to name them; None means `default_packages()`. A package without such
        a module is passed over; one whose module fails to import is an error.
        """
        if isinstance(packages, str):
            raise ConfigurationError(f"autodiscover_tasks({packages!r}): expected a list of packages, [{packages!r}]")

        def discover() -> None:
            named = packages() if callable(packages) else packages
            import_related(self.default_packages() if named is None else named, related_name)

        self._undiscovered.append(discover)

    def default_packages(self) -> Iterable[str]:
        """The packages that may hold tasks, by the rule of the web framework; adapters override this."""
        return ()

    def load_tasks(self) -> None:
        """Import what `imports`, `include` and `autodiscover_tasks` name. Workers do this; it is done once."""
        signals.import_modules.send(self)
        import_related((*self.conf.imports, *self.conf.include), None)
        while self._undiscovered:
            self._undiscovered[0]()
            del self._undiscovered[0]

    # Calling ---------------------------------------------------------------------------------------

    def send_task(
        self, name: str, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Publish a job by the name of its task, which need not be known here."""
        return self.publisher.send(name, args or (), kwargs or {}, options)

    def publish_many(self, signatures: Iterable[Mapping[str, Any]], **options: Any) -> list[AsyncResult[Any]]:
        """Publish what each signature stands for, jobs in one round trip per batch; their handles, in order."""
        return self.publisher.publish_many(signatures, options)

    async def apublish_many(self, signatures: Iterable[Mapping[str, Any]], **options: Any) -> list[AsyncResult[Any]]:
        """`publish_many`, without blocking the event loop."""
        return await self.publisher.apublish_many(signatures, options)

    def signature(
        self,
        task: str | Mapping[str, Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Signature:
        """A call by the task's name that has not been made yet; or what a dictionary (its JSON form) stands for."""
        return signature(task, args, kwargs, app=self, **options)

    def AsyncResult(self, id: str) -> AsyncResult[Any]:
        """The handle of the job with that id."""
        from treadle.result import AsyncResult

        return AsyncResult(id, app=self)

    def GroupResult(self, id: str) -> GroupResult:
        """The handle of the group with that id, and of its members. Raises JobNotFound."""
        from treadle.result import GroupResult

        return GroupResult.restore(id, app=self)

    def workflow(self, id: str) -> Workflow:
        """The workflow with that id, which is that of the handle which publishing it gave."""
        from treadle.result import Workflow

        return Workflow(id, self.broker)

    def run_eagerly(self, job: Job, *, throw: bool | None = None) -> EagerResult[Any]:
        """Run a job on the spot; `throw` raises its error (default: the setting `task_eager_propagates`)."""
        from treadle.execution.eager import run_eagerly

        if self.conf.task_store_eager_result:
            raise NotSupported("task_store_eager_result: no store knows of a job that is run on the spot")
        result = run_eagerly(self, job)
        if self.conf.task_eager_propagates if throw is None else throw:
            result.get()
        return result

    def run_jobs_eagerly(self, jobs: Sequence[Job]) -> Broker:
        """Run the jobs of a workflow on the spot, and what follows them; the store that has their records."""
        from treadle.execution.eager import run_jobs

        return run_jobs(self, jobs)

    # Set-up ----------------------------------------------------------------------------------------

    def config_from_object(self, source: object, namespace: str | None = None) -> None:
        """Read settings from an object, a mapping, a module or a dotted path. The environment still wins."""
        self.conf.read_object(source, namespace=namespace)

    def checked_queue(self, queue: Any) -> str:
        """The queue's name. Raises ConfigurationError if queues are declared and it is not one of them."""
        if queue not in self.seen_queues:
            from treadle.publisher.checks import checked_queue_name

            name = checked_queue_name(queue)
            if self.declared_queues and not self.conf.task_create_missing_queues:
                check_queue(name, self.declared_queues)
            self.seen_queues.add(name)
        return str(queue)

    @cached_property
    def seen_queues(self) -> set[str]:
        """Names that were found to be right, since the settings last changed."""
        return set()

    @cached_property
    def declared_queues(self) -> frozenset[str]:
        """Names in the `task_queues` setting, and the default one; empty if none are declared."""
        names = self.conf.queue_names()
        return frozenset({*names, self.conf.task_default_queue}) if names else frozenset()

    def known_queues(self) -> list[str]:
        """The queues that a worker takes from when it is not told: declared, routed to, named by tasks."""
        if self.declared_queues:
            return sorted(self.declared_queues)
        named = {task.queue for task in self.tasks.values() if task.queue}
        return sorted({self.conf.task_default_queue, *self.routes.known_queues(), *named})

    def __repr__(self) -> str:
        return f"<Treadle {self.name or '(unnamed)'}>"

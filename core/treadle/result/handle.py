"""Handles of jobs: what became of a call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from treadle.current import current_app_object
from treadle.exceptions import JobNotFound
from treadle.job import Record
from treadle.observe.blocking import refuse_blocking_in_a_job
from treadle.result.failing import failure_of, failure_path, with_path
from treadle.result.inputs import joined_value
from treadle.serialization.failure import describe_failure
from treadle.states import RETRY, SUCCESS, celery_state

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Self

    from treadle.app import Treadle
    from treadle.interfaces import Broker
    from treadle.result.workflow import Workflow

R = TypeVar("R")


class AsyncResult(Generic[R]):
    """The handle of one job, by its id. Equal to any other handle of the same id, and to the id itself.

    What asks the store raises JobNotFound for an id that nobody knows, BrokerUnavailable if it does not
    answer. A final record is kept, so a handle of an ended job asks no more.
    """

    #: The handle of what this job follows in a workflow.
    parent: AsyncResult[Any] | None = None
    _store: Broker | None = None

    def __init__(
        self,
        id: str,
        *,
        app: Treadle | None = None,
        task_name: str | None = None,
        parent: AsyncResult[Any] | None = None,
    ) -> None:
        self.id = id
        self.task_name = task_name
        self._app = app
        self._final: Record | None = None
        if parent is not None:
            self.parent = parent

    # What is known ---------------------------------------------------------------------------------

    @property
    def app(self) -> Treadle:
        """The app whose store is asked."""
        return self._app if self._app is not None else current_app_object()

    @property
    def store(self) -> Broker:
        """The store that is asked: the app's, but for jobs that were run on the spot."""
        return self._store if self._store is not None else self.app.broker

    def kept_in(self, store: Broker) -> Self:
        """This handle, asking another store."""
        self._store = store
        self._final = store.get([self.id]).get(self.id)
        return self

    @property
    def task_id(self) -> str:
        """The job's id."""
        return self.id

    def job(self) -> Record:
        """The whole record of the job, as the store knows it now."""
        if self._final is not None:
            return self._final
        record = self._asked()
        if record.is_final:
            self._final = record
        return record

    @property
    def state(self) -> str:
        """Celery's word for where the job stands, or the word given to `update_state` while it runs."""
        record = self.job()
        progress = self._progress(record)
        return celery_state(record) if progress is None else str(progress[0])

    status = state

    @property
    def result(self) -> Any:
        """The value, or the exception (of the last run, while the job waits for a retry); while the job runs,
        what was given to `update_state`; else None."""
        record = self.job()
        if record.state == "succeeded":
            return self._value(record)
        if record.is_final or (record.error and celery_state(record) == RETRY):
            return failure_of(record)
        progress = self._progress(record)
        return None if progress is None else progress[1]

    info = result

    @property
    def traceback(self) -> str | None:
        """The traceback in the worker, as text, of the failure or of the last retry."""
        record = self.job()
        return describe_failure(record.error).traceback if record.error else None

    @property
    def date_done(self) -> datetime | None:
        """When the job ended, by the store's clock."""
        ended_ms = self.job().finished_ms
        return datetime.fromtimestamp(ended_ms / 1000, UTC) if ended_ms else None

    @property
    def children(self) -> list[AsyncResult[Any]]:
        """Handles of the jobs that follow this one in a workflow."""
        return [
            AsyncResult[Any](edge.target, app=self._app, parent=self)
            for node in (self.workflow.nodes() if self.job().workflow else ())
            for edge in node.edges
            if node.id == self.id
        ]

    @property
    def workflow(self) -> Workflow:
        """The workflow that this job is a part of: how far it is, what can be done with it, a picture of it."""
        from treadle.result.workflow import Workflow

        # Not kept: whoever asks for the workflow may be about to run it again.
        record = self._final or self._asked()
        return Workflow(record.workflow or self.id, self.store)

    def failure_path(self) -> list[AsyncResult[Any]]:
        """From this job, if it never ran since another one failed, back to that one; else only this job."""
        path = failure_path(self.store, self.id, self.job().reason)
        return [self, *(AsyncResult[Any](source.id, app=self._app) for source in path)]

    def ready(self) -> bool:
        """Whether the job has ended."""
        return self.job().is_final

    def successful(self) -> bool:
        """Whether the job ended well."""
        return celery_state(self.job()) == SUCCESS

    def failed(self) -> bool:
        """Whether the job failed."""
        return self.job().state == "failed"

    # Waiting ---------------------------------------------------------------------------------------

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        *,
        interval: float | None = None,
        disable_sync_subtasks: bool = True,
    ) -> R:
        """Wait for the job's end; its value, or raise its error (`propagate=False`: return the error).

        `timeout` is in seconds; None waits as long as it takes. `interval`, Celery's pause between looks, has
        no meaning where the store tells. Raises ResultTimeout when the time is over, JobNotFound for an
        unknown id, RuntimeError inside a task (it would hold a slot while it waits for another) unless
        `disable_sync_subtasks=False`, or within `allow_join_result()`.
        """
        if self._final is not None:
            return self._outcome(self._final, propagate)
        if disable_sync_subtasks:
            refuse_blocking_in_a_job()
        return self._outcome(self.app.waiting.wait(self.id, timeout), propagate)

    async def aget(self, timeout: float | None = None, propagate: bool = True) -> R:
        """`get`, without blocking the event loop. Inside an `async def` task the worker runs others meanwhile."""
        record = self._final or await self.app.waiting.await_(self.id, timeout)
        return self._outcome(record, propagate)

    def wait(self, timeout: float | None = None, propagate: bool = True) -> R:
        """`get`."""
        return self.get(timeout, propagate)

    def collect(self, timeout: float | None = None, propagate: bool = True) -> Iterator[tuple[AsyncResult[Any], Any]]:
        """This handle and those of all jobs that follow, each with its value, as they end."""
        seen: set[str] = set()
        pending: list[AsyncResult[Any]] = [self]
        while pending:
            handle = pending.pop(0)
            if handle.id not in seen:
                seen.add(handle.id)
                yield handle, handle.get(timeout, propagate)
                pending += handle.children

    def __await__(self) -> Generator[Any, None, R]:
        return self.aget().__await__()

    def maybe_throw(self, propagate: bool = True) -> Any:
        """Raise the job's error if it ended badly; else its value, or None if it has not ended."""
        record = self.job()
        return self._outcome(record, propagate) if record.is_final else None

    # Acting ----------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Remove the job's record and result from the store; a running job stays."""
        self.store.delete([self.id])
        self._final = None

    def revoke(self, terminate: bool = False) -> None:
        """Cancel the job. If it runs already it is only not retried, unless `terminate` interrupts it."""
        self.store.cancel([self.id], terminate=terminate)

    # ------------------------------------------------------------------------------------------------

    def _asked(self) -> Record:
        record = self.store.get([self.id]).get(self.id)
        if record is None:
            raise JobNotFound(self.id)
        return record

    def _outcome(self, record: Record, propagate: bool) -> R:
        self._final = record
        if record.state == "succeeded":
            return cast("R", self._value(record))
        error = with_path(failure_of(record), self.store, record)
        if propagate:
            raise error
        return cast("R", error)

    def _value(self, record: Record) -> Any:
        if record.is_join:
            return joined_value(self.store, self.app.result_codec.decode, record.id, record.options)
        return self.app.result_codec.decode(record.result) if record.result else None

    def _progress(self, record: Record) -> tuple[str, Any] | None:
        if record.state != "running" or not record.progress:
            return None
        word, meta = self.app.result_codec.decode(record.progress)
        return word, meta

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncResult):
            return self.id == f"{other}"
        return self.id == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __reduce__(self) -> tuple[Callable[..., AsyncResult[Any]], tuple[str, str | None]]:
        return result_by_id, (self.id, self.task_name)


class EagerResult(AsyncResult[R]):
    """The handle of a job that was run on the spot. The app's store does not know it."""

    def __init__(self, record: Record, *, app: Treadle) -> None:
        super().__init__(record.id, app=app, task_name=record.task)
        self._final = record

    def revoke(self, terminate: bool = False) -> None:
        """Nothing: it has ended."""

    def forget(self) -> None:
        """Nothing: no store knows it."""


def result_by_id(job_id: str, task_name: str | None) -> AsyncResult[Any]:
    """The handle of a job, asking the current app's store."""
    return AsyncResult(job_id, task_name=task_name)

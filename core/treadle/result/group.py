"""Handles of groups: what became of many calls that were made as one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from treadle.current import current_app_object
from treadle.exceptions import JobNotFound, ResultTimeout
from treadle.observe.blocking import refuse_blocking_in_a_job
from treadle.result.handle import AsyncResult
from treadle.result.workflow import Workflow

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.job import Record

_PAGE = 500


class GroupResult(AsyncResult[list[Any]]):
    """The handle of a group and of its members. Iterating gives the members as they end.

    The group is a job too, which the store itself ends: it has succeeded once all members have, and fails as soon as
    one of them does.
    """

    def __init__(
        self,
        id: str,
        results: Iterable[AsyncResult[Any]] = (),
        *,
        parent: AsyncResult[Any] | None = None,
        app: Treadle | None = None,
    ) -> None:
        super().__init__(id, app=app)
        #: The members, in their order.
        self.results = list(results)
        self.parent = parent

    # What is known ---------------------------------------------------------------------------------

    @property
    def children(self) -> list[AsyncResult[Any]]:
        """The members."""
        return self.results

    def completed_count(self) -> int:
        """How many members have succeeded."""
        return sum(record.state == "succeeded" for record in self._records())

    def ready(self) -> bool:
        """Whether all members have ended."""
        return all(record.is_final for record in self._records())

    def successful(self) -> bool:
        """Whether all members have succeeded."""
        return all(record.state == "succeeded" for record in self._records())

    def failed(self) -> bool:
        """Whether a member has failed."""
        return any(record.state == "failed" for record in self._records())

    def waiting(self) -> bool:
        """Whether a member has not ended yet."""
        return not self.ready()

    # Waiting ---------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None, propagate: bool = True, **options: Any) -> list[Any]:
        """Wait for all members; their values in order. Raises the error of a member as soon as one fails.

        `propagate=False` waits for all, and gives errors in the place of values.
        """
        if propagate:
            return super().get(timeout, **options)
        ends_s = None if timeout is None else time.monotonic() + timeout
        return [member.get(_left_s(ends_s), propagate=False, **options) for member in self.results]

    async def aget(self, timeout: float | None = None, propagate: bool = True) -> list[Any]:
        """`get`, without blocking the event loop."""
        if propagate:
            return await super().aget(timeout)
        ends_s = None if timeout is None else time.monotonic() + timeout
        return [await member.aget(_left_s(ends_s), propagate=False) for member in self.results]

    def join(self, timeout: float | None = None, propagate: bool = True, **options: Any) -> list[Any]:
        """`get`."""
        return self.get(timeout, propagate, **options)

    def as_completed(self, timeout: float | None = None) -> Iterator[AsyncResult[Any]]:
        """The members as they end. Raises ResultTimeout when the time is over and one has not ended."""
        refuse_blocking_in_a_job()
        waiting = {member.id: member for member in self.results}
        ends_s = None if timeout is None else time.monotonic() + timeout
        watch = self.store.watch()
        try:
            while waiting:
                left_s = _left_s(ends_s)
                ended = watch.wait(waiting.keys(), 5.0 if left_s is None else min(left_s, 5.0))
                if not ended and left_s is not None and left_s <= 0:
                    raise ResultTimeout(f"{len(waiting)} members of group {self.id} have not ended in {timeout} s")
                for id in [id for id in waiting if id in ended]:
                    yield waiting.pop(id)
        finally:
            watch.close()

    def __iter__(self) -> Iterator[AsyncResult[Any]]:
        return self.as_completed()

    async def __aiter__(self) -> AsyncIterator[AsyncResult[Any]]:
        import asyncio  # loaded by whoever can await this

        async def ended(member: AsyncResult[Any]) -> AsyncResult[Any]:
            await member.aget(propagate=False)
            return member

        for first in asyncio.as_completed([ended(member) for member in self.results]):
            yield await first

    # Acting ----------------------------------------------------------------------------------------

    def add(self, call: Any) -> AsyncResult[Any]:
        """Publish one more member while the group runs; its handle. What follows the group waits for it, too.

        Raises ConfigurationError if the group has ended already.
        """
        member: AsyncResult[Any] = self.app.workflows.add_to_group(self.id, call)
        self.results.append(member)
        return member

    def forget(self) -> None:
        """Remove the records of the members and of the group from the store; what runs or waits stays."""
        ids = [self.id, *(member.id for member in self.results)]
        for at in range(0, len(ids), _PAGE):
            self.store.delete(ids[at : at + _PAGE])
        self._final = None

    def revoke(self, terminate: bool = False) -> None:
        """Cancel all members that have not ended, and what follows the group with them."""
        ids = [member.id for member in self.results] or [self.id]
        for at in range(0, len(ids), _PAGE):
            self.store.cancel(ids[at : at + _PAGE], terminate=terminate)

    # Coming back -----------------------------------------------------------------------------------

    def save(self) -> None:
        """Nothing: the store knows which members a group has, for as long as it keeps their records."""

    @classmethod
    def restore(cls, id: str, *, app: Treadle | None = None) -> GroupResult:
        """The handle of a group by its id, with its members as the store knows them. Raises JobNotFound."""
        owner = app if app is not None else current_app_object()
        record = owner.broker.get([id]).get(id)
        if record is None or not record.is_join:
            raise JobNotFound(id)
        members = [
            (edge.place, node)
            for node in Workflow(record.workflow, owner.broker).nodes()
            for edge in node.edges
            if edge.target == id and edge.place >= 0
        ]
        members.sort(key=lambda member: member[0])
        results = [AsyncResult[Any](node.id, app=owner, task_name=node.task) for _, node in members]
        return cls(id, results, app=owner)

    def __getitem__(self, index: int) -> AsyncResult[Any]:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __bool__(self) -> bool:
        return True

    def _records(self) -> list[Record]:
        """The records of the members. Raises JobNotFound if one is not known (any more)."""
        ids = [member.id for member in self.results]
        found: dict[str, Record] = {}
        for at in range(0, len(ids), _PAGE):
            found |= self.store.get(ids[at : at + _PAGE])
        for id in ids:
            if id not in found:
                raise JobNotFound(id)
        return [found[id] for id in ids]

    def __reduce__(self) -> tuple[Callable[..., GroupResult], tuple[Any, ...]]:
        return group_by_id, (self.id, self.results)


def group_by_id(id: str, results: Sequence[AsyncResult[Any]]) -> GroupResult:
    """The handle of a group, asking the current app's store."""
    return GroupResult(id, results)


def _left_s(ends_s: float | None) -> float | None:
    return None if ends_s is None else max(0.0, ends_s - time.monotonic())

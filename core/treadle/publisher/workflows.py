"""Publishes workflows: signatures become graphs of jobs, stored whole or in stages."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from treadle.edges import After
from treadle.exceptions import ConfigurationError
from treadle.job import Job, new_id
from treadle.publisher.call import is_composed
from treadle.publisher.holding import HOLD_S, Hold
from treadle.publisher.node_jobs import NodeJobs, Store
from treadle.publisher.publisher import in_thread
from treadle.result import AsyncResult, GroupResult
from treadle.workflows.graph import Feeding, Handle, Node, Plan
from treadle.workflows.group import Feed
from treadle.workflows.plan import frozen, plan_members, plan_own, read_feeds
from treadle.workflows.signature import Signature
from treadle.workflows.stages import MOST_NODES, gate_of, staged

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.interfaces import Broker
    from treadle.request import Request

#: Options about handing over, which concern the whole.
_TERMS: Final = frozenset({"connection", "session", "retry", "retry_policy", "on_commit"})
#: A replacement waits for so long that the run which made it is settled. If that run died, the next one makes another.
_REPLACEMENT_S: Final = 120.0
#: A feed is stored in pieces of so many members, or of as many as come within so many seconds.
_FEED, _FEED_S = 500, 0.02


class Workflows:
    """Publishes what is more than one job."""

    def __init__(self, app: Treadle) -> None:
        self._app = app
        self._nodes = NodeJobs(app)

    # Calls -----------------------------------------------------------------------------------------

    def publish(
        self,
        signature: Mapping[str, Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Publish what a signature stands for, with more arguments in front and more options; its handle.

        None for an empty chain. Up to 200 jobs are stored in one atomic step. Raises as `apply_async` does.
        """
        whole, terms = self._merged(signature, args, kwargs, options)
        if not is_composed(whole, {}):
            return self._app.publisher.send(whole.task, whole.args, whole.kwargs, {**whole.options, **terms})
        if self._app.conf.task_always_eager:
            return self._run_here(whole, None)
        in_transaction = terms.get("connection") is not None or terms.get("session") is not None
        if in_transaction:
            read_feeds(whole)
        planned = plan_own(whole)
        if planned.handle is None:
            return None
        result = self._result(planned.handle)
        store = partial(self._app.publisher.hand_over, options=terms)
        if in_transaction or (len(planned.nodes) <= MOST_NODES and not planned.feedings):
            self._store(store, planned.nodes, planned.handle.id)
        else:
            self._store_in_stages(store, planned, planned.handle.id, result)
        return result

    async def apublish(
        self,
        signature: Mapping[str, Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """`publish`, without blocking the event loop."""
        given = options or {}
        return await in_thread(given, lambda own: self.publish(signature, args, kwargs, {**given, **own}))

    def publish_call(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> AsyncResult[Any]:
        """Publish a call whose options say what follows it, or what it follows."""
        result: AsyncResult[Any] = self.publish(Signature(name, args, kwargs, app=self._app), options=options)
        return result

    def run_here(
        self,
        signature: Mapping[str, Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run what a signature stands for on the spot; its handle."""
        given = dict(options or {})
        throw = given.pop("throw", None)
        whole, _ = self._merged(signature, args, kwargs, given)
        return self._run_here(whole, throw)

    def freeze(self, signature: Signature, id: str | None = None) -> Any:
        """Give a signature and its parts ids, where they have none yet; the handle of what it will be."""
        handle = frozen(signature, id)
        return None if handle is None else self._result(handle)

    # Inside a running job --------------------------------------------------------------------------

    def publish_replacement(self, request: Request, signature: Mapping[str, Any]) -> tuple[str, str]:
        """Publish what is to replace the job that runs, behind a gate; the ids of its end and of the gate."""
        whole = Signature.from_dict(signature, self._app).clone()
        read_feeds(whole)
        planned = plan_own(whole)
        if planned.handle is None:
            raise ConfigurationError("replace() with an empty chain: there is nothing to run in the place of this job")
        if any(node.id == request.id for node in planned.nodes):
            raise ConfigurationError("replace() with a call of this job's own id: it needs another one")
        gate = gate_of(new_id())
        stages = list(staged(planned.nodes, gate))
        for node in planned.nodes:
            if node.need == 0:
                node.need = 1
                node.after.append(After(gate.id))
        workflow = str(request.options.get("workflow") or request.id)
        store = self._store_of(request)
        self._store(store, [gate, *stages[0]] if stages else [gate], workflow, hold_s=_REPLACEMENT_S)
        for stage in stages[1:]:
            self._store(store, stage, workflow)
        return planned.end.id, gate.id

    def add_to_group(self, group: str, call: Mapping[str, Any], *, request: Request | None = None) -> AsyncResult[Any]:
        """Publish one more member of a group that runs; its handle. Raises ConfigurationError if it has ended."""
        broker = self._app.broker if request is None else request.store
        record = broker.get([group]).get(group)
        if record is None or not record.is_join or record.state != "blocked":
            stands = "is not known" if record is None else f"is {record.state}" if record.is_join else "is no group"
            raise ConfigurationError(f"nothing can be added to group {group!r}: it {stands}")
        member = Signature.from_dict(call, self._app).clone()
        read_feeds(member)
        feeding = Feeding(Node(group, None, "list"), Feed(()), {}, [])
        # Behind all members that were there from the beginning, and at no place that another one has.
        nodes, handles = plan_members(feeding, [member], 2**30 + random.getrandbits(30))
        if not handles:
            raise ConfigurationError("an empty chain cannot be added to a group")
        store: Store = (
            partial(self._app.publisher.hand_over, options={}) if request is None else self._store_of(request)
        )
        if len(nodes) <= MOST_NODES:
            self._store(store, nodes, record.workflow, joins={group})
        else:
            with self._gate(store, record.workflow) as hold:
                for stage in staged(nodes, hold.gate):
                    self._store(store, stage, record.workflow, joins={group})
        result: AsyncResult[Any] = self._result(handles[0])
        return result

    # Storing ---------------------------------------------------------------------------------------

    def _store_in_stages(self, store: Store, planned: Plan, workflow: str, result: AsyncResult[Any]) -> None:
        """Store a large graph, or one whose members are still being made."""
        with self._gate(store, workflow) as hold:
            for stage in staged(planned.nodes, hold.gate):
                self._store(store, stage, workflow)
            for feeding in planned.feedings:
                self._feed(store, feeding, workflow, hold, result)

    def _feed(self, store: Store, feeding: Feeding, workflow: str, hold: Hold, result: AsyncResult[Any]) -> None:
        """Store the members of an open join as they are made."""
        fed = _handles_of(result, feeding.join.id)
        place = 0
        feeding.feed.begin()
        while members := feeding.feed.take(_FEED, _FEED_S):
            nodes, handles = plan_members(feeding, members, place)
            place += len(members)
            for stage in staged(nodes, hold.gate):
                self._store(store, stage, workflow, joins={feeding.join.id})
            if fed is not None:
                fed.results += [self._result(handle) for handle in handles]

    def _gate(self, store: Store, workflow: str) -> Hold:
        """A gate that is stored and held for a block, and opened at its end."""
        gate = gate_of(new_id())
        self._store(store, [gate], workflow)
        return Hold(self._app.broker, gate, workflow)

    def _store(
        self, store: Store, nodes: Sequence[Node], workflow: str, *, joins: Iterable[str] = (), hold_s: float = HOLD_S
    ) -> None:
        """Store nodes as jobs, in one call of the broker."""
        self._nodes.store(store, nodes, workflow, joins=joins, hold_s=hold_s)

    def _store_of(self, request: Request | None) -> Store:
        """Where a running job publishes what belongs to its own workflow: a job that is run on the spot, there."""
        if request is not None and request.is_eager:
            return request.store.publish
        return partial(self._app.publisher.hand_over, options={})

    # -----------------------------------------------------------------------------------------------

    def _merged(
        self,
        signature: Mapping[str, Any],
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any] | None,
    ) -> tuple[Signature, dict[str, Any]]:
        """The whole call; and apart from it, what concerns handing it over."""
        whole = Signature.from_dict(signature, self._app).clone(args, kwargs, **(options or {}))
        terms = {name: whole.options.pop(name) for name in _TERMS & whole.options.keys()}
        return whole, terms

    def _run_here(self, whole: Signature, throw: bool | None) -> Any:
        """Run a whole workflow on the spot, step by step, in a store of its own."""
        if not is_composed(whole, {}):
            call = self._app.publisher.call_by_name(whole.task, whole.args, whole.kwargs, whole.options)
            return self._app.run_eagerly(self._app.publisher.job(call), throw=throw)
        read_feeds(whole)
        planned = plan_own(whole)
        if planned.handle is None:
            return None
        jobs: list[Job] = []
        self._store(jobs.extend, planned.nodes, planned.handle.id)
        store = self._app.run_jobs_eagerly(jobs)
        result = self._result(planned.handle, store)
        if self._app.conf.task_eager_propagates if throw is None else throw:
            result.get()
        return result

    def _result(self, handle: Handle, store: Broker | None = None, known: dict[int, Any] | None = None) -> Any:
        """The handle as users know it, and those of what it follows."""
        made: dict[int, Any] = {} if known is None else known
        # Not by recursion: a chain may be longer than the stack.
        line: list[Handle] = []
        at: Handle | None = handle
        while at is not None and id(at) not in made:
            line.append(at)
            at = at.parent
        for each in reversed(line):
            made[id(each)] = self._one_result(each, store, made)
        return made[id(handle)]

    def _one_result(self, handle: Handle, store: Broker | None, known: dict[int, Any]) -> AsyncResult[Any]:
        parent = None if handle.parent is None else known[id(handle.parent)]
        result: AsyncResult[Any]
        if handle.members is None:
            result = AsyncResult(handle.id, app=self._app, task_name=handle.task, parent=parent)
        else:
            members = [self._result(member, store, known) for member in handle.members]
            result = GroupResult(handle.id, members, app=self._app, parent=parent)
        return result if store is None else result.kept_in(store)


def _handles_of(result: AsyncResult[Any] | None, id: str) -> GroupResult | None:
    """The handle of the group of that id, among a handle and what it follows."""
    while result is not None:
        if isinstance(result, GroupResult) and result.id == id:
            return result
        result = result.parent
    return None

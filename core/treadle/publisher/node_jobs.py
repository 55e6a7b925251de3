"""Makes jobs of the nodes of a workflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from treadle import signals
from treadle.exceptions import ChordError
from treadle.job import Job
from treadle.publisher.announcing import announce_published, announced
from treadle.publisher.call import Call
from treadle.publisher.checks import checked_id
from treadle.publisher.holding import HOLD_S
from treadle.request import encode_options, running_request
from treadle.serialization.failure import encode_failure
from treadle.workflows.graph import GATE, JOIN, Node

if TYPE_CHECKING:
    from treadle.app import Treadle

#: Options that the plan has made edges of.
_PLANNED: Final = frozenset({"link", "link_error", "after"})

#: Takes jobs, all or none.
Store: TypeAlias = Callable[[Sequence[Job]], None]


class NodeJobs:
    """Makes jobs of nodes, and stores them."""

    def __init__(self, app: Treadle) -> None:
        self._app = app

    def store(
        self, store: Store, nodes: Sequence[Node], workflow: str, *, joins: Iterable[str] = (), hold_s: float = HOLD_S
    ) -> None:
        """Store nodes as jobs, in one call of the broker."""
        known = {*joins, *(node.id for node in nodes if node.call is None and node.input in ("list", "outcomes"))}
        calls = [(node, self._call(node, workflow, known)) for node in nodes]
        job_of = self._job_maker()
        jobs = [self._join(node, workflow, hold_s) if call is None else job_of(call) for node, call in calls]
        jobs = [_placed(job, node, workflow) for job, (node, _) in zip(jobs, calls, strict=True)]
        if signals.before_task_publish.has_receivers:
            jobs = [job if call is None else announced(job, call) for job, (_, call) in zip(jobs, calls, strict=True)]
        store(jobs)
        if signals.after_task_publish.has_receivers:
            for job, (_, call) in zip(jobs, calls, strict=True):
                if call is not None:
                    announce_published(job, call)

    def _call(self, node: Node, workflow: str, joins: set[str]) -> Call | None:
        signature = node.call
        if signature is None:
            return None
        place: dict[str, Any] = {"workflow": workflow, "input": node.input or None}
        for edge in node.edges:
            if edge.target in joins and edge.place >= 0 and edge.on != "failure":
                place["group"], place["group_index"] = edge.target, edge.place
        options = signature.options
        if not _PLANNED.isdisjoint(options):
            options = {name: value for name, value in options.items() if name not in _PLANNED}
        task = self._app.tasks.get(signature.task)
        if task is not None and task.check is not None and node.input != "error":
            # What it takes from the job before stands in front, and is not there yet.
            task.check(*([None] if node.input else []), *signature.args, **signature.kwargs)
        return Call(signature.task, tuple(signature.args), dict(signature.kwargs), options, task, place)

    def _job_maker(self) -> Callable[[Call], Job]:
        """What makes a job of a call: the long way, or for calls that say nothing of their own, the usual one."""
        publisher = self._app.publisher
        if self._app.routes or running_request() is not None:
            return publisher.job

        def job_of(call: Call) -> Job:
            if len(call.options) > 1 or "task_id" not in call.options:
                return publisher.job(call)
            usual = publisher.job(call._replace(options={}))
            return usual._replace(id=checked_id(call.options["task_id"]), options=encode_options(call.place))

        return job_of

    def _join(self, node: Node, workflow: str, hold_s: float) -> Job:
        conf = self._app.conf
        if node.is_gate:
            error = ChordError(f"workflow {workflow} was never stored as a whole: whoever published it is gone")
            payload = encode_failure(error, with_traceback=False)
            return Job(node.id, GATE, payload, conf.task_default_queue, ttl_ms=round(hold_s * 1000), is_join=True)
        options = encode_options({"workflow": workflow, "input": node.input or None})
        payload = self._app.codec.encode_call((), {})
        return Job(checked_id(node.id), JOIN, payload, conf.task_default_queue, options=options, is_join=True)


def _placed(job: Job, node: Node, workflow: str) -> Job:
    """The job, at its place in the graph."""
    return job._replace(
        need=node.need, spare=node.spare, edges=tuple(node.edges), after=tuple(node.after), workflow=workflow
    )

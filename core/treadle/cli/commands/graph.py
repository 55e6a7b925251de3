"""`treadle graph`: a workflow as a picture, how far it is, and what to do with the whole of it."""

from __future__ import annotations

from typing import Any, cast

import click

from treadle.cli.exits import FAILED, OK
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.exceptions import JobNotFound
from treadle.interfaces import Node
from treadle.result.drawing import Style
from treadle.result.workflow import Workflow


@click.command("graph", cls=Command)
@click.argument("job_id", metavar="ID")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "dot", "mermaid"]),
    default="text",
    show_default=True,
    help="A tree, or the source of a picture for Graphviz or Mermaid.",
)
@click.option("--cancel", "deed", flag_value="cancel", help="Cancel all of its jobs that have not ended.")
@click.option("--terminate", is_flag=True, help="With --cancel, interrupt those that run.")
@click.option("--retry", "deed", flag_value="retry", help="Run it again from where it did not succeed.")
@click.pass_obj
def command(invocation: Invocation, /, *, job_id: str, style: str, deed: str | None, terminate: bool) -> int:
    """Show the workflow that a job is a part of: its ends first, and below each what it waits for."""
    workflow = _workflow_of(invocation, job_id)
    document: dict[str, Any] = {"workflow": workflow.id}
    if deed == "cancel":
        document["cancelled"] = workflow.cancel(terminate=terminate)
    elif deed == "retry":
        document["queued_again"] = workflow.retry()
        if not document["queued_again"]:
            invocation.complain(f"nothing in workflow {workflow.id} has failed or was cancelled: nothing to retry")
            return FAILED
    nodes, progress = list(workflow.nodes()), workflow.progress()
    document |= {"progress": dict(progress.states), "jobs": [_as_document(node) for node in nodes]}
    drawn = workflow.draw(cast("Style", style))
    invocation.show(document, f"{drawn}\n\n{progress}" if style == "text" else drawn)
    return OK


def _workflow_of(invocation: Invocation, job_id: str) -> Workflow:
    record = invocation.broker.get([job_id]).get(job_id)
    if record is None:
        raise JobNotFound(job_id)
    workflow = Workflow(record.workflow or job_id, invocation.broker)
    if not workflow.progress().total:
        raise click.ClickException(f"job {job_id} is no part of a workflow: `treadle jobs show {job_id}` shows it")
    return workflow


def _as_document(node: Node) -> dict[str, Any]:
    edges = [{"target": edge.target, "place": edge.place, "on": edge.on} for edge in node.edges]
    return {
        "id": node.id,
        "task": node.task,
        "state": node.state,
        "reason": node.reason,
        "is_join": node.is_join,
        "edges": edges,
    }

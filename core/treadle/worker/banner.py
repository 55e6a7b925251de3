"""The text that a worker shows when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle import __version__

if TYPE_CHECKING:
    from treadle.worker.plan import WorkerPlan

_TASKS_SHOWN = 40


def banner(plan: WorkerPlan, facts: dict[str, Any], broker_url: str, *, forks: bool) -> str:
    """Who this worker is, where its jobs come from, and what it can run."""
    made = "in this process" if plan.pool == "solo" else "forked" if forks else "spawned"
    tasks = facts["tasks"]
    processes = f"{plan.children} {'process' if plan.children == 1 else 'processes'} ({made})"
    slots = f"{plan.concurrency} {'job' if plan.concurrency == 1 else 'jobs'} at a time in each"
    lines = [
        f"treadle {__version__}  {plan.hostname}",
        f"  app      {facts['name'] or '(unnamed)'}",
        f"  broker   {broker_url}",
        f"  pool     {plan.pool}: {processes}, {slots}",
        f"  queues   {', '.join(plan.queues)}",
        f"  tasks    {len(tasks)}" + ("" if tasks else ": none; does -A name the module that defines them?"),
        *(f"           . {name}" for name in tasks[:_TASKS_SHOWN]),
    ]
    if len(tasks) > _TASKS_SHOWN:
        lines.append(f"           . and {len(tasks) - _TASKS_SHOWN} more")
    return "\n".join(lines)

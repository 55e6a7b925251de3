"""The template: the process that has imported the application, and from which children are forked.

It runs no jobs. Started by the supervisor as a program of its own; it imports, reports what it found,
and then forks a child whenever it is asked to. A child is forked twice, so that its parent is the
supervisor (a subreaper, prctl(2)), which can then wait for it whatever becomes of the template.
"""

from __future__ import annotations

import gc
import logging
import mmap
import os
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from treadle.logs import set_up_logging
from treadle.worker.channel import Channel
from treadle.worker.child.process import Assignment, leave_stopping_to_the_supervisor, run_child
from treadle.worker.loading import Loading, load_app

if TYPE_CHECKING:
    from treadle.app import Treadle


def main() -> int:
    """Import, report, fork on request, until the supervisor closes the channel."""
    leave_stopping_to_the_supervisor()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    memory = mmap.mmap(int(sys.argv[2]), 0)
    order = channel.receive_first()
    ours = open_sockets()
    try:
        app = load_app(Loading(**order["loading"]))
        app.plugins.pool(app.conf.worker_pool)  # a misspelt one is told now, and not by each child as it dies
        set_up_logging(app, order["level"], order["logfile"], app.conf)
        app.plugins.fire("treadle_worker_starting", app=app)
        channel.send({"say": "loaded", **describe(app), "unsafe": why_not_fork(ours)})
    except Exception as error:  # noqa: BLE001 - the application's own code; the supervisor shows it and exits 1
        channel.send({"say": "broken", "error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()})
        return 1
    gc.collect()
    gc.freeze()  # so that a collection in a child does not copy every page that it inherited
    return _serve(app, memory, channel)


def _serve(app: Treadle, memory: mmap.mmap, channel: Channel) -> int:
    while (messages := channel.receive()) is not None:
        for message in messages:
            if message["do"] == "fork":
                _fork_child(app, Assignment.from_message(message["assignment"]), memory, channel)
            elif message["do"] == "fire":
                app.plugins.fire(message["hook"], app=app)
    app.plugins.fire("treadle_worker_stopped", app=app)
    return 0


def _fork_child(app: Treadle, assignment: Assignment, memory: mmap.mmap, channel: Channel) -> None:
    fd = channel.take_fd()
    between = os.fork()
    if between == 0:
        if os.fork() == 0:
            _become_child(app, assignment, memory, channel, fd)
        os._exit(0)
    os.close(fd)
    os.waitpid(between, 0)


def _become_child(app: Treadle, assignment: Assignment, memory: mmap.mmap, channel: Channel, fd: int) -> NoReturn:
    code = 70
    try:
        channel.close()
        code = run_child(app, assignment, memory, Channel(socket.socket(fileno=fd)))
    except BaseException:
        logging.getLogger(__name__).critical("child %s ended with an error", assignment.lease, exc_info=True)
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def describe(app: Treadle) -> dict[str, Any]:
    """What the supervisor needs to know of the app: settings, queues, tasks."""
    conf = app.conf
    return {
        "name": app.name or "",
        "broker_url": conf.broker_url or app.embedded_url,
        "broker_options": conf.broker_options(),
        "plugins_disabled": list(conf.plugins_disabled),
        "queues": app.known_queues(),
        "declared": sorted(app.declared_queues),
        "tasks": list(app.tasks),
        "settings": {name: getattr(conf, name) for name in _WANTED},
        "has_hard_limits": any(task.limit("time_limit") for task in app.tasks.values()),
    }


#: Settings that the supervisor itself acts on.
_WANTED = (
    "worker_concurrency",
    "worker_pool",
    "worker_prefetch_multiplier",
    "worker_max_tasks_per_child",
    "worker_max_memory_per_child",
    "worker_memory_limit",
    "worker_max_crashes",
    "worker_grace_s",
    "worker_start_method",
    "result_expires",
    "result_max_count",
    "failed_expires",
)


def why_not_fork(ours: set[str]) -> str:
    """Why children must not be forked from this process: threads or connections of its own; empty if they may."""
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if threads:
        return f"importing the application started threads: {', '.join(threads)}"
    task_folder = Path("/proc/self/task")
    if task_folder.is_dir() and len(list(task_folder.iterdir())) > 1:
        return "importing the application started threads outside Python (a native library's pool)"
    opened = open_sockets() - ours
    if opened:
        return f"importing the application opened connections: {', '.join(sorted(opened))}"
    return ""


def open_sockets() -> set[str]:
    """The sockets of this process, as /proc names them."""
    found: set[str] = set()
    for entry in Path("/proc/self/fd").glob("*"):
        try:
            target = str(entry.readlink())
        except OSError:  # the descriptor of the listing itself
            continue
        if target.startswith("socket:"):
            found.add(f"{_peer(int(entry.name))} ({target})")
    return found


def _peer(fd: int) -> str:
    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            return f"to {sock.getpeername() or sock.getsockname() or 'a local socket'}"
    except OSError:
        return "unconnected"


if __name__ == "__main__":
    raise SystemExit(main())

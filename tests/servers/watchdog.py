"""Ends a server whose owner is gone, so that a killed test run leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# A process of its own, because nothing else survives SIGKILL of the owner. A parent-death signal would do
# it without polling, but it follows the *thread* that started the server, and tests restart servers from threads.
# A server's children end a little after it, and write until then: hence a second try to remove its files.
_SCRIPT = """
while kill -0 "$1" && kill -0 "$2"; do sleep 0.5; done
kill -0 "$1" && exit
kill -KILL "$2"
[ -z "$3" ] || rm -rf -- "$3" || { sleep 1; rm -rf -- "$3"; }
"""


def watch_over(server_pid: int, files: Path | None = None) -> subprocess.Popen[bytes]:
    """Start the watchdog: within a second after this process has ended, however it ended, the server is killed.

    `files` are removed then. It ends by itself when the server does; terminate it and wait for it when the
    server was stopped in order.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", _SCRIPT, "watchdog", str(os.getpid()), str(server_pid), str(files or "")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C in a terminal goes to the whole group; the watchdog must outlive it.
        start_new_session=True,
    )

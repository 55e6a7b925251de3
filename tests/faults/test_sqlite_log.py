"""SQLite's write-ahead log must outlive processes that come and go."""

from __future__ import annotations

import subprocess
import sys
import threading

from tests.harness import Client

_LOOK = """
import sys
from treadle import Treadle
with Treadle("visitor", broker=sys.argv[1]) as app:
    print(app.AsyncResult(sys.argv[2]).state)
"""


def test_a_process_that_looks_and_leaves_takes_nothing_from_those_that_stay(sqlite_url: str) -> None:
    """The last process to leave removes the log, so one with connections in two threads must count as staying.

    The locks that say so are POSIX locks, which vanish when *any* descriptor of the file is closed.
    """
    client = Client(sqlite_url)
    first = client.send("add", 1, 2)
    second_connection = threading.Thread(target=lambda: client.send("add", 1, 2))
    second_connection.start()
    second_connection.join()
    assert _visit(sqlite_url, first.id) == "PENDING"

    after = client.send("add", 1, 2)

    assert _visit(sqlite_url, after.id) == "PENDING"
    client.close()


def _visit(url: str, job_id: str) -> str:
    """What another process sees of a job."""
    finished = subprocess.run(
        [sys.executable, "-c", _LOOK, url, job_id], capture_output=True, text=True, check=False, timeout=20
    )
    return finished.stdout.strip() or finished.stderr

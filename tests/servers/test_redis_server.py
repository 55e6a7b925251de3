"""The server that fault tests rely on: it comes back as it was, and never outlives a test run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.servers import REDIS, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 10.0

# A test run that starts a server, says so and is then killed.
DOOMED_RUN = """
import pathlib, sys, time
from tests.servers import RedisServer
server = RedisServer(pathlib.Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def server(redis_server: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own (`redis_server` only sees to it that there is a program to run)."""
    with RedisServer(tmp_path) as own:
        yield own


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_restarted_server_has_the_same_port_and_the_same_keys(server: RedisServer) -> None:
    server.ask("SET", "colour", "green")
    port, pid = server.port, server.pid
    server.restart()
    assert (server.port, server.ask("GET", "colour")) == (port, "green")
    assert server.pid != pid


def test_a_killed_server_can_be_started_again(server: RedisServer) -> None:
    pid = server.pid
    server.kill()
    assert (server.pid, is_running(pid)) == (0, False)
    with pytest.raises(ConnectionRefusedError):
        server.ask("PING")
    server.start()
    assert server.ask("PING") == "PONG"


def test_a_frozen_server_can_be_stopped(server: RedisServer) -> None:
    pid = server.pid
    server.freeze()
    server.stop()
    assert not is_running(pid)


def test_a_frozen_server_answers_again_when_thawed(server: RedisServer) -> None:
    server.freeze()
    server.thaw()
    assert server.ask("PING") == "PONG"


def test_a_server_that_cannot_start_says_why(server: RedisServer, tmp_path: Path) -> None:
    broken = RedisServer(tmp_path, options=["--no-such-option", "1"])
    with pytest.raises(RuntimeError, match="no-such-option"):
        broken.start()
    assert broken.pid == 0


def test_a_server_whose_port_is_taken_at_first_moves_to_another(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "second").mkdir()
    free = [server.port + 1, server.port]
    monkeypatch.setattr("tests.servers.server.free_port", free.pop)
    with RedisServer(tmp_path / "second") as second:
        assert second.port == server.port + 1
        assert second.ask("PING") == "PONG"


def test_two_databases_of_a_server_share_no_keys(redis_server: RedisServer) -> None:
    with redis_server.database() as one, redis_server.database() as other:
        assert one != other
        number = int(one.rpartition("/")[2])
        redis_server.ask("SET", "colour", "green", database=number)
        assert redis_server.ask("DBSIZE", database=int(other.rpartition("/")[2])) == 0
    assert redis_server.ask("DBSIZE", database=number) == 0


@pytest.mark.skipif(REDIS.find() is None, reason="no Redis server is installed")
def test_a_server_does_not_outlive_a_run_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DOOMED_RUN, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + DEADLINE_S
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)

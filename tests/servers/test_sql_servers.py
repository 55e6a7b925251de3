"""The databases that fault tests rely on: they come back as they were, and lose nothing that was committed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pymysql
import pytest
from pymysql.cursors import Cursor

from tests.servers import CuttingProxy, MariaDbServer, PgBouncerServer, PostgresServer
from tests.servers.mariadb import PASSWORD, USER
from tests.servers.ports import LOOPBACK

DEADLINE_S = 10.0
# How long "no answer" is watched for. Too short could only hide a failure, never cause one.
SILENCE_S = 0.1
AWAY = (psycopg.OperationalError, pymysql.OperationalError)

SqlServer = PostgresServer | MariaDbServer

# A test run that starts a server, says so and is then killed.
DOOMED_RUN = """
import pathlib, sys, time
from tests import servers
server = getattr(servers, sys.argv[1])(pathlib.Path(sys.argv[2]))
server.start()
print(server.pid, server.home, flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["postgres", "mariadb"])
def shared(request: pytest.FixtureRequest) -> SqlServer:
    """The server that all tests share."""
    server = request.getfixturevalue(f"{request.param}_server")
    assert isinstance(server, SqlServer)
    return server


@pytest.fixture(scope="module", params=["postgres", "mariadb"])
def module_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlServer]:
    # Only sees to it that there is a program to run.
    shared = request.getfixturevalue(f"{request.param}_server")
    with type(shared)(tmp_path_factory.mktemp(request.param)) as server:
        server.ask("CREATE TABLE colours (name VARCHAR(20) PRIMARY KEY)")
        yield server


@pytest.fixture
def server(module_server: SqlServer) -> SqlServer:
    """A server of this file's own, running, with an empty table."""
    if not module_server.pid:
        module_server.start()
    module_server.ask("DELETE FROM colours")
    return module_server


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_ended(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)


def colours(server: SqlServer) -> list[str]:
    return [name for (name,) in server.ask("SELECT name FROM colours ORDER BY name")]


def wait_for_an_insert(server: SqlServer) -> None:
    """Wait until one is being carried out."""
    view, text = (
        ("pg_stat_activity", "query")
        if isinstance(server, PostgresServer)
        else ("information_schema.processlist", "info")
    )
    deadline = time.monotonic() + DEADLINE_S
    while not server.ask(f"SELECT 1 FROM {view} WHERE {text} LIKE 'INSERT%'"):
        assert time.monotonic() < deadline


def test_a_restarted_server_has_the_same_port_and_the_same_rows(server: SqlServer) -> None:
    server.ask("INSERT INTO colours VALUES (%s)", "green")
    port, pid = server.port, server.pid
    server.restart()
    assert (server.port, colours(server)) == (port, ["green"])
    assert server.pid != pid


def test_a_killed_server_can_be_started_again_and_lost_nothing(server: SqlServer) -> None:
    server.ask("INSERT INTO colours VALUES (%s)", "green")
    pid = server.pid
    server.kill()
    assert (server.pid, is_running(pid)) == (0, False)
    with pytest.raises(AWAY):
        server.ask("SELECT 1")
    server.start()
    assert colours(server) == ["green"]


def test_a_killed_server_finishes_nothing(server: SqlServer) -> None:
    patience = "pg_sleep(1)" if isinstance(server, PostgresServer) else "SLEEP(1)"
    failures: list[Exception] = []

    def insert_slowly() -> None:
        try:
            server.ask(f"INSERT INTO colours SELECT 'late' FROM (SELECT {patience}) AS patience")
        except AWAY as failure:
            failures.append(failure)

    client = threading.Thread(target=insert_slowly)
    client.start()
    wait_for_an_insert(server)
    server.kill()
    client.join(DEADLINE_S)
    assert len(failures) == 1
    server.start()
    assert colours(server) == []


def test_a_frozen_server_answers_nobody_until_it_is_thawed(server: SqlServer) -> None:
    answers: list[list[str]] = []
    client = threading.Thread(target=lambda: answers.append(colours(server)))
    server.freeze()
    client.start()
    client.join(SILENCE_S)
    assert answers == []
    server.thaw()
    client.join(DEADLINE_S)
    assert answers == [[]]


def test_a_connection_that_was_open_before_the_freeze_is_frozen_too(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.url) as connection:
        postgres_server.freeze()
        try:
            connection.pgconn.send_query(b"SELECT 1")
            assert select.select([connection], [], [], SILENCE_S)[0] == []
        finally:
            postgres_server.thaw()
        answer = connection.pgconn.get_result()
        assert answer is not None
        assert answer.get_value(0, 0) == b"1"
        assert connection.pgconn.get_result() is None


def test_a_frozen_server_can_be_stopped(server: SqlServer) -> None:
    pid = server.pid
    server.freeze()
    server.stop()
    assert not is_running(pid)


def test_a_server_that_cannot_start_says_why(shared: SqlServer, tmp_path: Path) -> None:
    option = "no_such_setting=1" if isinstance(shared, PostgresServer) else "--no-such-setting=1"
    broken = type(shared)(tmp_path, [])
    broken.prepare()
    broken.options = (option,)
    with pytest.raises(RuntimeError, match=r"no.such.setting"):
        broken.start()
    assert broken.pid == 0


def test_a_server_whose_port_is_taken_at_first_moves_to_another(
    shared: SqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [shared.port + 1, shared.port]
    monkeypatch.setattr("tests.servers.server.free_port", free.pop)
    with type(shared)(tmp_path) as second:
        assert second.port == shared.port + 1
        assert second.ask("SELECT 1") == [(1,)]


def test_two_databases_of_a_server_share_no_tables(shared: SqlServer) -> None:
    with shared.database() as one, shared.database() as other:
        names = [url.rpartition("/")[2] for url in (one, other)]
        assert names[0] != names[1]
        for name in names:
            shared.ask("CREATE TABLE colours (name TEXT)", database=name)


def test_a_database_is_dropped_though_somebody_is_connected(postgres_server: PostgresServer) -> None:
    with postgres_server.database() as url:
        connection = psycopg.connect(url)
    connection.close()
    name = url.rpartition("/")[2]
    assert postgres_server.ask("SELECT 1 FROM pg_database WHERE datname = %s", name) == []


def test_postgres_is_as_durable_as_in_production(postgres_server: PostgresServer) -> None:
    assert [postgres_server.ask(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == [
        [("on",)]
    ] * 3


def test_mariadb_is_as_durable_as_in_production(mariadb_server: MariaDbServer) -> None:
    assert mariadb_server.ask("SELECT @@innodb_flush_log_at_trx_commit, @@innodb_doublewrite") == [(1, 1)]


def test_a_commit_whose_answer_is_cut_is_an_error_and_yet_done(server: SqlServer) -> None:
    # MariaDB's clients begin with "SET AUTOCOMMIT"; the byte in front of a statement says that it is one.
    request, answer = (b"COMMIT", b"COMMIT") if isinstance(server, PostgresServer) else (b"\x03COMMIT", b"")
    with CuttingProxy(server.port) as proxy:
        cut = proxy.cut_answer(request, until=answer)
        with pytest.raises(AWAY):
            insert_green(server, proxy)
        assert cut.wait(DEADLINE_S)
    assert colours(server) == ["green"]


def insert_green(server: SqlServer, proxy: CuttingProxy) -> None:
    """Insert it in a transaction, through the proxy."""
    connection: psycopg.Connection | pymysql.Connection[Cursor]
    if isinstance(server, PostgresServer):
        connection = psycopg.connect(proxy.url(server.url))
    else:
        connection = pymysql.connect(
            host=LOOPBACK, port=proxy.port, user=USER, password=PASSWORD, database=USER, ssl_disabled=True
        )
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("INSERT INTO colours VALUES ('green')")
        connection.commit()


def test_behind_pgbouncer_a_session_ends_with_its_transaction(pgbouncer_server: PgBouncerServer) -> None:
    with (
        pgbouncer_server.database() as url,
        psycopg.connect(url, autocommit=True) as one,
        psycopg.connect(url, autocommit=True) as other,
    ):
        # Both are served by the one connection that there is.
        backends = {client.execute("SELECT pg_backend_pid()").fetchone() for client in (one, other)}
        assert len(backends) == 1


def test_a_restarted_pgbouncer_has_the_same_port(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with PgBouncerServer(tmp_path, postgres_server) as bouncer:
        port = bouncer.port
        bouncer.restart()
        assert bouncer.port == port
        with psycopg.connect(bouncer.url) as client:
            assert client.execute("SELECT 1").fetchone() == (1,)


def test_a_server_does_not_outlive_a_run_that_is_killed(shared: SqlServer, tmp_path: Path) -> None:
    command = [sys.executable, "-c", DOOMED_RUN, type(shared).__name__, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as run:
        assert run.stdout is not None
        pid, home = run.stdout.readline().split()
        run.send_signal(signal.SIGKILL)
    wait_until_ended(int(pid))
    deadline = time.monotonic() + DEADLINE_S
    while Path(home) != tmp_path and Path(home).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert Path(home) == tmp_path or not Path(home).exists()

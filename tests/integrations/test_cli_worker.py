"""`treadle worker`: its options, its pidfile, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.command_line import CommandLine


@pytest.fixture
def cli(tmp_path: Path, sqlite_url: str) -> CommandLine:
    return CommandLine(tmp_path, sqlite_url)


@pytest.mark.parametrize("words", [["-B"], ["--no-scheduler"], ["--autoscale", "3,1"], ["--health-port", "80"]])
def test_options_that_are_not_there_yet_are_refused_by_name(cli: CommandLine, words: list[str]) -> None:
    refused = cli("worker", *words)
    assert refused.code == 1
    assert words[0] in refused.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["-P", "prefrk"], "did you mean 'prefork'?"),
        (["-P", "solo", "--time-limit", "5"], "solo"),
        (["-X", "default,mail"], "no queue is left"),
        (["--time-limit", "1", "--soft-time-limit", "2"], "less than"),
    ],
)
def test_what_cannot_work_is_told_at_the_start(cli: CommandLine, words: list[str], hint: str) -> None:
    refused = cli("worker", *words)
    assert refused.code == 1
    assert hint in refused.err
    assert "Traceback" not in refused.err


def test_an_application_that_cannot_be_imported_ends_the_worker(cli: CommandLine) -> None:
    (cli.folder / "torn.py").write_text("import nothing_of_that_name\n")
    refused = cli("-A", "torn", "worker")
    assert refused.code == 1
    assert "nothing_of_that_name" in refused.err


def test_the_banner_shows_names_queues_and_tasks_and_no_password(cli: CommandLine) -> None:
    worked = cli("worker", "--burst", "-c", "1", "-n", "w1@%n", "-Q", "mail")
    assert worked.code == 0
    assert "w1@" in worked.out
    assert "shop.pay" in worked.out
    assert "queues   mail\n" in worked.out


def test_only_chosen_queues_are_served(cli: CommandLine) -> None:
    mail, pay = cli.publish("shop.mail", "-a", '["ann"]'), cli.publish("shop.pay", "-a", "[1]")
    assert cli("-q", "worker", "--burst", "-c", "1", "-X", "default").code == 0
    assert cli("result", mail).out == '"ann"\n'
    assert cli("result", pay).code == 4


def test_log_lines_go_to_the_logfile(cli: CommandLine) -> None:
    cli.publish("shop.pay", "-a", "[-1]")
    assert cli("worker", "--burst", "-c", "1", "-f", "worker.log").code == 0
    assert "negative amount" in (cli.folder / "worker.log").read_text()


def test_a_pidfile_of_a_dead_process_is_replaced_and_removed_at_the_end(cli: CommandLine) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    pidfile = cli.folder / "worker.pid"
    pidfile.write_text(str(gone.pid))
    assert cli("-q", "worker", "--burst", "-c", "1", "--pidfile", "worker.pid").code == 0
    assert not pidfile.exists()


def test_a_pidfile_of_a_live_process_is_respected(cli: CommandLine) -> None:
    pidfile = cli.folder / "worker.pid"
    pidfile.write_text(str(os.getpid()))
    refused = cli("worker", "--burst", "--pidfile", "worker.pid")
    assert refused.code == 1
    assert str(os.getpid()) in refused.err
    assert pidfile.read_text() == str(os.getpid())


def test_a_file_that_is_no_pidfile_is_left_alone(cli: CommandLine) -> None:
    (cli.folder / "letter").write_text("dear reader")
    assert cli("worker", "--burst", "--pidfile", "letter").code == 1
    assert (cli.folder / "letter").read_text() == "dear reader"


def test_a_changed_file_is_reloaded(cli: CommandLine) -> None:
    words = ["call", "shop.mail", "-a", '["ann"]', "--wait", "--timeout", "25"]
    with cli.start("-q", "worker", "--reload", "-c", "1") as worker:
        try:
            assert cli(*words).out == '"ann"\n'
            source = (cli.folder / "shop.py").read_text()
            (cli.folder / "shop.py").write_text(source.replace("return to\n", "return 'dear ' + to\n"))
            assert worker.stderr is not None
            # From this line on the old child may still take a job, but it was told to end.
            assert any("reloading" in line for line in worker.stderr)
            assert '"dear ann"\n' in (cli(*words).out for _ in range(5))
        finally:
            worker.terminate()
            worker.communicate()
    assert worker.returncode == 0


def test_reload_without_watchfiles_says_what_to_install(cli: CommandLine) -> None:
    (cli.folder / "watchfiles.py").write_text("raise ImportError('not installed')\n")
    refused = cli("worker", "--reload")
    assert refused.code == 1
    assert "treadle[reload]" in refused.err


def test_a_worker_without_an_application_refuses_to_take_jobs(cli: CommandLine) -> None:
    refused = cli("worker", "--burst", TREADLE_APP="")
    assert refused.code == 1
    assert "-A module:app" in refused.err

"""The command line as a whole: help, names, errors, exit codes, set-up commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.command_line import CommandLine
from treadle import __version__


@pytest.fixture
def cli(tmp_path: Path, sqlite_url: str) -> CommandLine:
    return CommandLine(tmp_path, sqlite_url)


def test_help_lists_every_command_with_its_summary_and_the_exit_codes(cli: CommandLine) -> None:
    shown = cli("--help")
    assert shown.code == 0
    for name in ("worker", "demo", "status", "jobs", "queues", "call", "result", "purge", "migrate", "check", "shell"):
        assert f"\n  {name} " in shown.out
    assert "3  the broker could not be reached" in shown.out


def test_help_loads_no_broker_and_no_worker() -> None:
    code = "import sys; from treadle.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = ("treadle.brokers", "treadle.worker.start", "treadle.demo.tasks", "sqlalchemy", "sqlite3", "hiredis")
    assert [module for module in finished.stderr.split() if module.startswith(heavy)] == []


def test_the_version_is_told(cli: CommandLine) -> None:
    assert cli("--version").out == f"treadle, version {__version__}\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["wroker"], "did you mean 'worker'?"),
        (["jobs", "lst"], "did you mean 'list'?"),
        (["worker", "--brst"], "--burst"),
        (["jobs", "list", "--state", "faild"], "'failed'"),
        (["call", "shop.pay", "-a", "{"], "is not JSON"),
        (["call", "shop.pay", "-a", "{}"], "no list"),
        (["call", "shop.pay", "-k", "[]"], "no object"),
        (["call", "shop.pay"], "'amount'"),
        (["call", "shop.pay", "--eta", "noon"], "ISO 8601"),
        (["result", "x", "--timeout", "1"], "--wait"),
        (["jobs", "retry"], "--all"),
        (["jobs", "delete", "--all"], "--all needs"),
        (["jobs", "cancel", "x", "--all"], "not both"),
        (["queues", "move", "mail", "mail"], "itself"),
        (["--workdir", "/nowhere", "status"], "/nowhere"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(cli: CommandLine, words: list[str], hint: str) -> None:
    refused = cli(*words)
    assert (refused.code, refused.out) == (2, "")
    assert hint in refused.err
    assert refused.err.startswith("treadle: ")
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["-A", "shpo", "status"], 1, "no module 'shpo'"),
        (["-A", "shop:ap", "status"], 1, "did you mean 'app'?"),
        (["-b", "sqlight:///x.db", "status"], 1, "did you mean 'sqlite'?"),
        (["-b", "redis://127.0.0.1:1", "status"], 3, "127.0.0.1:1"),
        (["call", "shop.pya"], 1, "did you mean 'shop.pay'?"),
        (["result", "nobody"], 1, "'nobody'"),
        (["jobs", "show", "nobody"], 1, "'nobody'"),
        (["jobs", "retry", "nobody"], 1, "nobody is not known"),
        (["jobs", "cancel", "nobody"], 1, "nobody is not known"),
        (["jobs", "delete", "nobody"], 1, "nobody is not known"),
        (["queues", "pause", "mial"], 1, "did you mean 'mail'?"),
        (["purge", "-Q", "mial"], 1, "did you mean 'mail'?"),
    ],
)
def test_what_fails_says_why_in_one_line(cli: CommandLine, words: list[str], code: int, hint: str) -> None:
    failed = cli(*words)
    assert failed.code == code
    assert hint in failed.err
    assert "Traceback" not in failed.err


def test_an_application_that_cannot_be_imported_is_one_line_and_a_traceback_only_on_demand(cli: CommandLine) -> None:
    (cli.folder / "torn.py").write_text("raise RuntimeError('no sockets left')\n")
    plain, full = cli("-A", "torn", "status"), cli("--traceback", "-A", "torn", "status")
    assert (plain.code, full.code) == (1, 1)
    assert plain.err == "treadle: the application 'torn' cannot be imported: RuntimeError: no sockets left\n"
    assert 'torn.py", line 1' in full.err


def test_a_wrong_setting_in_the_environment_names_the_right_one(cli: CommandLine) -> None:
    failed = cli("status", TREADLE_BROKER_ULR="x")
    assert failed.code == 1
    assert "broker_url" in failed.err


def test_migrate_says_what_it_did_and_then_that_nothing_is_left(cli: CommandLine) -> None:
    assert cli("migrate", "--json").document["done"] != []
    assert cli("migrate", "--json").document["done"] == []
    assert "nothing to do" in cli("migrate").out


def test_check_is_content_with_a_sound_set_up(cli: CommandLine) -> None:
    cli("migrate")
    checked = cli("check", "--json")
    assert (checked.code, checked.document["ok"]) == (0, True)


def test_check_exits_1_and_names_each_problem(cli: CommandLine) -> None:
    away = cli("-b", "redis://127.0.0.1:1", "check", "--json")
    assert (away.code, away.document["ok"]) == (1, False)
    assert "127.0.0.1:1" in away.document["checks"]["broker"][0]
    lost = cli("-A", "shpo", "check")
    assert lost.code == 1
    assert "no module 'shpo'" in lost.out


def test_report_tells_versions_and_changed_settings_but_no_secrets(cli: CommandLine) -> None:
    url = "redis://keeper:hunter2@127.0.0.1:1/0"
    told = cli("-b", url, "report", "--json", TREADLE_WORKER_CONCURRENCY="7")
    assert told.code == 0
    assert told.document["treadle"] == __version__
    assert told.document["settings"]["worker_concurrency"] == [7, "environment"]
    assert "hunter2" not in told.out
    assert told.document["tasks"] == ["shop.mail", "shop.pay"]


def test_plugins_lists_the_built_in_one_and_reports_a_broken_one(cli: CommandLine) -> None:
    assert [each["name"] for each in cli("plugins", "--json").document["plugins"]] == ["builtins"]
    (cli.folder / "plugged.py").write_text("from treadle import Treadle\napp = Treadle(plugins=['no_such_module'])\n")
    broken = cli("-A", "plugged", "plugins")
    assert broken.code == 1
    assert "no_such_module" in broken.err


def test_a_plugins_command_is_a_command_like_any_other(cli: CommandLine) -> None:
    (cli.folder / "plugged.py").write_text(
        "import click\nfrom treadle import Treadle, hookimpl\n\n"
        "@click.command()\ndef greet():\n    click.echo('hello')\n\n"
        "class Greeting:\n    @hookimpl\n    def treadle_commands(self):\n        return [greet]\n\n"
        "app = Treadle(plugins=[Greeting()])\n"
    )
    greeted = cli("-A", "plugged", "greet")
    assert (greeted.code, greeted.out) == (0, "hello\n")


def test_the_shell_knows_the_app_and_its_tasks(cli: CommandLine) -> None:
    typed = cli("shell", "--plain", answer="print(app.name, pay.name)\n")
    assert typed.code == 0
    assert "shop shop.pay" in typed.out


def test_a_reader_that_goes_away_is_met_with_silence(cli: CommandLine) -> None:
    with cli.start("report") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_json_is_understood_before_and_after_the_command(cli: CommandLine) -> None:
    assert cli("--json", "status").document == cli("status", "--json").document
    json.loads(cli("queues", "list", "--json").out)

"""`treadle graph`: workflows from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.command_line import CommandLine

PUBLISH = """
from treadle import chain, chord
from shop import mail, pay
import sys
header = [pay.s(int(amount)) for amount in sys.argv[1:]]
print(chord(header, mail.s().set(queue="default")).delay().id)
"""


@pytest.fixture
def cli(tmp_path: Path, sqlite_url: str) -> CommandLine:
    return CommandLine(tmp_path, sqlite_url)


def publish(cli: CommandLine, *amounts: int) -> str:
    """A chord of payments, and a mail about them; its id."""
    command = [sys.executable, "-c", PUBLISH, *map(str, amounts)]
    ran = subprocess.run(command, cwd=cli.folder, env=cli.environment, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_a_workflow_is_drawn_from_any_of_its_jobs(cli: CommandLine) -> None:
    id_ = publish(cli, 1, 2)
    shown = cli("graph", id_)
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[0] == f"[ ] shop.mail {id_}: blocked"
    assert [line.split()[1 if line.startswith("[.]") else 2] for line in lines[2:4]] == ["shop.pay"] * 2
    assert lines[-1] == "0/3 (1 blocked, 2 queued)"
    member = next(each["id"] for each in cli("graph", id_, "--json").document["jobs"] if each["task"] == "shop.pay")
    assert cli("graph", member).out == shown.out


def test_it_is_the_source_of_a_picture(cli: CommandLine) -> None:
    id_ = publish(cli, 1)
    assert cli("graph", id_, "--format", "dot").out.startswith("digraph workflow {")
    assert cli("graph", id_, "--format", "mermaid").out.startswith("flowchart LR")


def test_what_failed_is_retried_from_there(cli: CommandLine) -> None:
    id_ = publish(cli, 1, -2)
    cli.work()
    failed = cli("graph", id_)
    assert "failed (error)" in failed.out
    assert "failed (skipped)" in failed.out
    assert "shop.pay[" in cli("result", id_).err or cli("result", id_).code == 1
    again = cli("graph", id_, "--retry", "--json").document
    assert len(again["queued_again"]) == 1
    assert again["progress"] == {"blocked": 1, "queued": 1, "succeeded": 1}
    cli.work()
    assert cli("graph", id_, "--json").document["progress"] == {"failed": 2, "succeeded": 1}


def test_a_whole_workflow_is_cancelled(cli: CommandLine) -> None:
    id_ = publish(cli, 1, 2)
    cancelled = cli("graph", id_, "--cancel", "--json").document
    assert cancelled["cancelled"] == 4
    assert sum(cancelled["progress"].values()) == 3
    assert set(cancelled["progress"]) <= {"cancelled", "failed"}
    nothing = cli("graph", publish(cli, 3), "--retry")
    assert nothing.code == 1
    assert "nothing to retry" in nothing.err


def test_the_value_of_a_group_is_shown(cli: CommandLine) -> None:
    id_ = publish(cli, 1, 2)
    cli.work()
    join = next(each["id"] for each in cli("graph", id_, "--json").document["jobs"] if each["is_join"])
    assert cli("result", join, "--json").document["result"] == [{"paid": 1}, {"paid": 2}]


def test_a_job_that_is_no_part_of_one_says_so(cli: CommandLine) -> None:
    alone = cli("graph", cli.publish("shop.pay", "-a", "[5]"))
    assert alone.code != 0
    assert "no part of a workflow" in alone.err
    assert cli("graph", "nobody").code != 0

"""Jobs and queues from the command line, on SQLite and on Redis."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.command_line import CommandLine


@pytest.fixture(params=["sqlite", "redis"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def sqlite_cli(tmp_path: Path, sqlite_url: str) -> CommandLine:
    return CommandLine(tmp_path, sqlite_url)


def test_a_job_is_called_run_and_its_result_shown(cli: CommandLine) -> None:
    id_ = cli.publish("shop.pay", "-a", "[5]")
    waiting = cli("result", id_, "--json")
    assert (waiting.code, waiting.document["state"]) == (4, "queued")
    cli.work()
    shown = cli("result", id_, "--json")
    assert (shown.code, shown.document["result"]) == (0, {"paid": 5})
    assert cli("result", id_).out == '{"paid": 5}\n'


def test_a_failed_job_is_listed_shown_and_queued_again(cli: CommandLine) -> None:
    id_ = cli.publish("shop.pay", "-a", "[-1]")
    cli.work()
    failed = cli("result", id_, "--traceback")
    assert failed.code == 1
    assert "negative amount" in failed.err
    assert 'shop.py", line' in failed.err
    listed = cli("jobs", "list", "--state", "failed", "--json").document["jobs"]
    assert [(each["id"], each["reason"], each["error"]) for each in listed] == [(id_, "error", "negative amount")]
    retried = cli("jobs", "retry", "--all", "--task", "shop.pay", "--json")
    assert (retried.code, retried.document) == (0, {"queued_again": [id_], "refused": {}})
    assert cli("result", id_, "--json").document["state"] == "queued"


def test_queues_are_paused_moved_resumed_and_purged(cli: CommandLine) -> None:
    id_ = cli.publish("shop.mail", "-a", '["ann"]')
    assert cli("queues", "pause", "mail").code == 0
    cli.work()
    assert cli("status", "--json").document["queues"]["mail"]["paused"] is True
    assert cli("result", id_, "--json").document["state"] == "queued"
    assert cli("queues", "resume", "mail").code == 0
    assert cli("queues", "move", "mail", "default", "--json").document["moved"] == 1
    assert cli("queues", "list", "--json").document["queues"]["default"]["queued"] == 1
    assert cli("purge", "-f", "-X", "mail", "--json").document == {"removed": {"default": 1}}
    assert cli("result", id_).code == 1


def test_cancelling_says_which_jobs_had_ended(sqlite_cli: CommandLine) -> None:
    cli = sqlite_cli
    done = cli.publish("shop.pay", "-a", "[1]")
    cli.work()
    waiting = cli.publish("shop.pay", "-a", "[2]", "--countdown", "600")
    cancelled = cli("jobs", "cancel", done, waiting, "--json")
    assert cancelled.code == 1
    assert cancelled.document == {"cancelled": [waiting], "refused": {done: "has succeeded already"}}
    assert cli("result", waiting).err.startswith(f"treadle: job {waiting} cancelled (revoked)")


def test_deleted_jobs_are_unknown(sqlite_cli: CommandLine) -> None:
    id_ = sqlite_cli.publish("shop.pay", "-a", "[1]")
    assert sqlite_cli("jobs", "delete", id_).code == 0
    assert sqlite_cli("jobs", "show", id_).code == 1


def test_call_waits_for_the_value_if_asked_and_no_longer_than_allowed(sqlite_cli: CommandLine) -> None:
    late = sqlite_cli("call", "shop.pay", "-a", "[1]", "--wait", "--timeout", "0.2")
    assert (late.code, late.out) == (4, "")
    with sqlite_cli.start("-q", "worker", "-c", "1") as worker:
        try:
            assert sqlite_cli("call", "shop.pay", "-a", "[9]", "--wait", "--timeout", "25").out == '{"paid": 9}\n'
        finally:
            worker.terminate()
            worker.communicate()
    assert worker.returncode == 0


def test_call_options_reach_the_job(sqlite_cli: CommandLine) -> None:
    words = ["--queue", "vip", "--priority", "7", "--eta", "2040-01-01T00:00:00+00:00", "--expires", "2041-01-01"]
    shown = sqlite_cli("jobs", "show", sqlite_cli.publish("shop.pay", "-k", '{"amount": 3}', *words), "--json").document
    assert (shown["queue"], shown["priority"], shown["state"]) == ("vip", 7, "scheduled")
    assert (shown["due"], shown["expires"]) == ("2040-01-01T00:00:00Z", "2041-01-01T00:00:00Z")
    assert shown["arguments"] == {"args": [], "kwargs": {"amount": 3}}


@pytest.mark.parametrize("given", [["-a", '[1, "4242"]'], ["-a", "[1]", "-k", '{"card": "4242"}']])
def test_redacted_arguments_are_hidden_unless_revealed(sqlite_cli: CommandLine, given: list[str]) -> None:
    id_ = sqlite_cli.publish("shop.pay", *given)
    assert "4242" not in sqlite_cli("jobs", "show", id_).out
    assert "***" in sqlite_cli("jobs", "show", id_, "--json").out
    assert "4242" in sqlite_cli("jobs", "show", id_, "--reveal").out


def test_arguments_of_a_task_that_is_not_loaded_are_hidden_because_it_cannot_be_asked(sqlite_cli: CommandLine) -> None:
    id_ = sqlite_cli.publish("shop.pay", "-a", '[1, "4242"]')
    shown = sqlite_cli("jobs", "show", id_, TREADLE_APP="")
    assert shown.code == 0
    assert "4242" not in shown.out
    assert "-A" in shown.out


def test_a_list_is_paged_by_its_cursor(sqlite_cli: CommandLine) -> None:
    ids = [sqlite_cli.publish("shop.pay", "-a", "[1]") for _ in range(3)]
    first = sqlite_cli("jobs", "list", "--limit", "2", "--json").document
    rest = sqlite_cli("jobs", "list", "--limit", "2", "--cursor", first["next_cursor"], "--json").document
    assert [each["id"] for each in first["jobs"] + rest["jobs"]] == ids[::-1]
    assert rest["next_cursor"] == ""


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 1), ("", 1, 1)])
def test_purge_asks_first(sqlite_cli: CommandLine, answer: str, code: int, left: int) -> None:
    sqlite_cli.publish("shop.pay", "-a", "[1]")
    assert sqlite_cli("purge", answer=answer).code == code
    assert len(sqlite_cli("jobs", "list", "--json").document["jobs"]) == left

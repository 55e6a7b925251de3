"""`treadle demo`: what newcomers see first."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.command_line import CommandLine
from treadle.demo.progress import Progress, bar
from treadle.demo.report import Outcome, report_on
from treadle.demo.sources import broken_files, standard_library
from treadle.demo.tasks import Measures

BROKEN = [path.name for path in broken_files()]


@pytest.fixture(params=["default", "redis"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> CommandLine:
    """Without a broker setting, and with Redis."""
    url = "" if request.param == "default" else request.getfixturevalue("redis_url")
    return CommandLine(tmp_path, url)


def test_the_demo_counts_files_shows_broken_ones_as_failures_and_leaves_nothing_behind(cli: CommandLine) -> None:
    temporary = cli.folder / "tmp"
    temporary.mkdir()
    ran = cli("--json", "demo", "--files", "60", TMPDIR=str(temporary))
    assert ran.code == 0, ran.err
    report = ran.document
    assert report["files"] == 60 + len(BROKEN)
    assert [each["name"] for each in report["failures"]] == BROKEN
    assert all("Error: " in each["error"] for each in report["failures"])
    assert report["lines"] > 1000
    assert len(report["largest"]) == 10
    assert report["surprises"] == []
    assert report["graph"].splitlines()[0].startswith("[+] treadle.demo.tasks.add_up")
    assert "more: " in report["graph"]
    assert "100 %" in ran.err
    assert list(temporary.iterdir()) == []
    assert processes_with(f"TMPDIR={temporary}") == []
    assert not (cli.folder / "treadle.sqlite3").exists()


def test_the_demos_jobs_do_not_stay_on_somebody_elses_broker(tmp_path: Path, redis_url: str) -> None:
    cli = CommandLine(tmp_path, "", app="treadle.demo.tasks")
    assert cli("demo", "--broker", redis_url, "--files", "5", "--json").code == 0
    left = cli("-b", redis_url, "jobs", "list", "--json")
    assert left.document["jobs"] == []


def test_an_interrupted_demo_takes_its_worker_and_files_with_it(tmp_path: Path) -> None:
    cli = CommandLine(tmp_path, "")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with cli.start("demo", TMPDIR=str(temporary)) as process:
        assert process.stderr is not None
        assert any("10 %" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    assert processes_with(f"TMPDIR={temporary}") == []
    assert list(temporary.iterdir()) == []


def test_a_broker_that_is_away_is_exit_code_3(tmp_path: Path) -> None:
    failed = CommandLine(tmp_path, "")("demo", "--broker", "redis://127.0.0.1:1")
    assert failed.code == 3
    assert "127.0.0.1:1" in failed.err


def test_the_standard_library_is_found_without_other_peoples_packages() -> None:
    found = standard_library()
    assert len(found) > 600
    assert any(path.name == "tokenize.py" for path in found)
    assert not any("site-packages" in path.parts or "dist-packages" in path.parts for path in found)


def test_five_broken_files_are_bundled() -> None:
    assert len(BROKEN) == 5


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Path("a.py"), None, MemoryError("killed"), "crashed", 0, 1),
        Outcome(Path("a.py"), None, OSError("gone"), "error", 0, 1),
        Outcome(Path("a.py"), Measures(0, 0, 0), None, "", 0, 1),
        Outcome(broken_files()[0], Measures(1, 1, 0), None, "", 0, 1),
    ],
)
def test_anything_but_counted_and_unreadable_files_is_a_surprise(outcome: Outcome) -> None:
    counted = outcome.measures or Measures(0, 0, 0)
    assert len(report_on([outcome], counted, "").surprises) == 1


def test_an_unreadable_file_is_no_surprise() -> None:
    report = report_on([Outcome(Path("a.py"), None, SyntaxError("what?"), "error", 0, 1000)], Measures(0, 0, 0), "")
    assert (report.surprises, report.failures) == ([], [("a.py", "SyntaxError: what?")])


def test_a_sum_that_is_not_that_of_the_files_is_a_surprise() -> None:
    report = report_on([Outcome(Path("a.py"), Measures(2, 5, 1), None, "", 0, 1)], Measures(3, 5, 1), "")
    assert report.surprises == ["the files have 2 lines, and the sum says 3"]


@given(total=st.integers(1, 5000), data=st.data())
def test_the_bar_is_full_exactly_when_all_is_done(total: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, total))
    drawn = bar(done, total)
    assert drawn.count("#") + drawn.count("-") == 40
    assert ("-" not in drawn) == (done == total)


@given(total=st.integers(1, 300))
def test_off_a_terminal_progress_is_ten_lines_at_most_and_ends_complete(total: int) -> None:
    stream = io.StringIO()
    progress = Progress(total, stream)
    for done in range(1, total + 1):
        progress.show(done)
    lines = stream.getvalue().splitlines()
    assert 1 <= len(lines) <= 10
    assert lines[-1] == f"100 %  {total} of {total}"


def processes_with(variable: str) -> list[int]:
    """The processes that have this in their environment."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:  # gone meanwhile, or somebody else's
                continue
            if variable.encode() in environment.split(b"\0"):
                found.append(int(entry.name))
    return found

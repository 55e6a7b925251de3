"""`python -m tests.servers ensure`: one line says what is left out, and CI does not accept it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PROGRAMS, Program
from tests.servers.__main__ import main

ROOT = Path(__file__).parents[2]

# Names that no machine has, so that what is installed here makes no difference.
LOOM = Program(names=("loom-server", "loomd"), package="loom", suites="the tests that need a loom")
DYE = Program(names=("dye-server",), package="dye", suites="the tests that need dye")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for programs, and the only one on the PATH; this is not continuous integration."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def pretend(program: Path, script: str = "exit 1") -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.usefixtures("folder")
def test_on_a_laptop_one_line_says_what_is_left_out_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ensure"], [LOOM, DYE]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("left out: the tests that need a loom (no loom-server or loomd")
    assert "; the tests that need dye (no dye-server" in line


@pytest.mark.usefixtures("folder")
def test_in_continuous_integration_a_missing_server_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    assert main(["ensure"], [LOOM]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_nothing_is_said_when_a_server_is_there_under_its_other_name(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(folder / "loomd")
    assert main(["ensure"], [LOOM]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_complaint_of_a_failed_installation_is_passed_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(folder / "apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
    main(["ensure"], [LOOM])
    (line,) = capsys.readouterr().err.splitlines()
    assert "E: Unable to locate package" in line or "only root can run" in line


def test_of_several_versions_outside_the_path_the_newest_is_taken(folder: Path) -> None:
    for version in ("9", "15", "13"):
        pretend(folder / "looms" / version / "bin" / "loomd")
    program = Program(names=("loomd",), package="loom", suites="", versions=f"{folder}/looms/*/bin")
    assert program.find() == f"{folder}/looms/15/bin/loomd"


def test_what_is_on_the_path_goes_before_all_versions(folder: Path) -> None:
    pretend(folder / "loomd")
    pretend(folder / "looms" / "15" / "bin" / "loomd")
    program = Program(names=("loomd",), package="loom", suites="", versions=f"{folder}/looms/*/bin")
    assert program.find() == f"{folder}/loomd"


@pytest.mark.usefixtures("folder")
def test_a_missing_tool_says_how_to_get_it() -> None:
    with pytest.raises(FileNotFoundError, match=r"loom-server or loomd is not installed; run: .* ensure"):
        LOOM.path("loom-install")


def test_every_server_of_the_tests_is_seen_to() -> None:
    assert {program.package for program in PROGRAMS} == {"redis-server", "postgresql", "pgbouncer", "mariadb-server"}


def test_a_wrong_word_is_answered_with_the_usage() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.servers", "insure"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (2, "usage: python -m tests.servers ensure\n")

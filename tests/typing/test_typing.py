"""The public API as type checkers see it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def mypy(path: Path) -> set[int]:
    return lines_of(path, [sys.executable, "-m", "mypy", "--no-error-summary", str(path)], r":(\d+): error:")


def pyright(path: Path) -> set[int]:
    return lines_of(path, [sys.executable, "-m", "pyright", str(path)], r":(\d+):\d+ - error:")


def lines_of(path: Path, command: list[str], pattern: str) -> set[int]:
    """The lines of the file that a type checker refuses."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert finished.returncode in (0, 1), finished.stdout + finished.stderr
    return {
        int(found.group(1))
        for line in finished.stdout.splitlines()
        if path.name in line and (found := re.search(pattern, line))
    }


def marked(path: Path) -> set[int]:
    lines = path.read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# refused")}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_correct_use_is_accepted(checker: Callable[[Path], set[int]]) -> None:
    assert checker(HERE / "api.py") == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", [mypy, pyright])
def test_each_misuse_is_refused_where_it_stands_and_nothing_else(checker: Callable[[Path], set[int]]) -> None:
    expected = marked(HERE / "misuse.py")
    assert len(expected) == 17
    assert checker(HERE / "misuse.py") == expected

"""The walls between rooms hold: each deliberate violation is caught by the contract that forbids it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

VIOLATIONS = [
    ("job.py", "import treadle.interfaces", "Each floor uses only what is below it"),
    ("a_new_floor.py", "", "Each floor uses only what is below it"),
    ("exceptions.py", "import django", "The engine knows no web framework and no adapter"),
    ("exceptions.py", "import treadle_django", "The engine knows no web framework and no adapter"),
    ("brokers/redis/__init__.py", "import treadle.brokers.sql", "Brokers do not know one another"),
    ("brokers/sql/__init__.py", "import treadle.workflows", "Brokers know neither workers nor workflows"),
    ("worker/__init__.py", "import treadle.brokers.redis", "A worker knows no concrete broker"),
    ("cli/__init__.py", "import treadle.testing", "Production code does not know the test kit"),
    ("worker/__init__.py", "import hiredis", "A client library is known in its own room alone"),
    ("interfaces.py", "import sqlite3", "A client library is known in its own room alone"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the contracts look at."""
    copy = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "core", copy / "core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@pytest.mark.parametrize(("file", "line", "contract"), VIOLATIONS)
def test_a_violation_is_caught(tree: Path, file: str, line: str, contract: str) -> None:
    module = tree / "core" / "treadle" / file
    before = module.read_text() if module.exists() else None
    module.write_text(f"{before or ''}\n{line}\n")
    try:
        broken = broken_contracts(tree)
    finally:
        module.unlink() if before is None else module.write_text(before)
    assert any(name.startswith(contract) for name in broken), broken


def broken_contracts(tree: Path) -> list[str]:
    """The names of the contracts that the tree breaks."""
    linted = subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS, "--no-logo", "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree / "core"), "PATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts:" in linted.stdout, linted.stdout + linted.stderr
    return re.findall(r"^(.+) BROKEN\b", linted.stdout, flags=re.MULTILINE)

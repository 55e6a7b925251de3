"""The floors that core/README.md draws are those that the contract in pyproject.toml checks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

_ROW = re.compile(r"^\| (`[^|]+`) \|", re.MULTILINE)
_NAME = re.compile(r"\w+")


def floors_drawn(page: str) -> list[list[str]]:
    """The modules of each row of the page's table, top to bottom."""
    return [_NAME.findall(cell) for cell in _ROW.findall(page)]


def floors_checked() -> list[list[str]]:
    """The modules of each layer, top to bottom."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [each["layers"] for each in configured["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    return [_NAME.findall(layer) for layer in layers]


def test_the_floors_that_are_drawn_are_those_that_are_checked() -> None:
    assert floors_drawn((ROOT / "core" / "README.md").read_text(encoding="utf-8")) == floors_checked()


def test_the_floors_that_are_called_unbuilt_are_those_without_a_module() -> None:
    page = (ROOT / "core" / "README.md").read_text(encoding="utf-8")
    sentence = re.search(r"^(.*) have their floor and are not built yet", page, re.MULTILINE)
    unbuilt = _NAME.findall(" ".join(re.findall(r"`\w+`", sentence[1]))) if sentence else []
    core = ROOT / "core" / "treadle"
    modules = {path.stem for path in core.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert [name for floor in floors_checked() for name in floor if name not in modules] == unbuilt


def test_rows_are_read_from_the_first_column_alone() -> None:
    assert floors_drawn("| floor | what |\n|---|---|\n| `b`, `c` | uses `a` |\n| `a` | |\n") == [["b", "c"], ["a"]]

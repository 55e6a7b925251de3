"""The page of all settings."""

from __future__ import annotations

from pathlib import Path

from treadle.settings.reference import settings_reference
from treadle.settings.table import TABLE

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_what_the_code_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_reference(), "run: python docs/generate.py"


def test_every_setting_has_exactly_one_row() -> None:
    page = settings_reference()
    assert [name for name in TABLE if page.count(f"\n| `{name}` |") != 1] == []


def test_what_is_refused_in_this_version_is_marked() -> None:
    rows = [line for line in settings_reference().splitlines() if "| Not yet |" in line]
    assert [row.split("`")[1] for row in rows] == ["outbox_urls", "task_default_rate_limit", "beat_schedule"]


def test_no_cell_breaks_its_table() -> None:
    rows = [line for line in settings_reference().splitlines() if line.startswith("| ")]
    assert {line.count("|") for line in rows} == {5}

"""Writes the pages of the documentation that are made from the code: run `python docs/generate.py`."""

from __future__ import annotations

from pathlib import Path

from treadle.settings.reference import settings_reference

DOCS = Path(__file__).parent

#: What makes each page.
PAGES = {"settings.md": settings_reference}


def main() -> None:
    """Write every generated page."""
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""How answers look to people: aligned tables, times, ages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import click

_GAP = "  "
_STATE_COLOURS = {"succeeded": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under headings, in columns just wide enough; columns of numbers are set to the right."""
    rows = list(rows)
    cells = [[_cell(value) for value in row] for row in rows]
    is_number = [all(isinstance(row[at], int) for row in rows) and bool(rows) for at in range(len(headings))]
    widths = [max(map(_width, column)) for column in zip(headings, *cells, strict=True)]
    heading = _line([click.style(title, bold=True) for title in headings], widths, is_number)
    return "\n".join([heading, *(_line(row, widths, is_number) for row in cells)])


def pairs(facts: Mapping[str, object]) -> str:
    """One fact a line: the name, then the value, which may have several lines."""
    width = max(map(len, facts), default=0)
    indent = "\n" + " " * (width + len(_GAP))
    lines = [f"{name:<{width}}{_GAP}{_cell(value)}".rstrip() for name, value in facts.items()]
    return "\n".join(line.replace("\n", indent) for line in lines)


def state_word(state: str) -> str:
    """A job's state in its colour."""
    return click.style(state, fg=_STATE_COLOURS[state]) if state in _STATE_COLOURS else state


def instant(unix_ms: int) -> str:
    """A time of the store as ISO 8601 in UTC, to the second; empty for 0."""
    if not unix_ms:
        return ""
    return datetime.fromtimestamp(unix_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def span(duration_ms: int) -> str:
    """A duration in its two largest units: `3 s`, `4 min 10 s`, `2 d 3 h`."""
    seconds = duration_ms // 1000
    units = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    first = next((at for at, (count, _unit) in enumerate(units) if count), len(units) - 1)
    told = [f"{count} {unit}" for count, unit in units[first : first + 2] if count]
    return " ".join(told) or "0 s"


def value_text(value: object) -> str:
    """A decoded value for a terminal: JSON, and the text of what JSON does not know."""
    return json.dumps(value, default=str, ensure_ascii=False)


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _width(text: str) -> int:
    return len(click.unstyle(text))


def _line(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    padded: list[str] = []
    for text, width, right in zip(cells, widths, is_number, strict=True):
        blank = " " * (width - _width(text))
        padded.append(blank + text if right else text + blank)
    return _GAP.join(padded).rstrip()

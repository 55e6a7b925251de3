"""Figures that tests measured, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: Column = figure.
Row = Mapping[str, object]


class Report:
    """Tables that grow while the tests run."""

    def __init__(self) -> None:
        self._tables: dict[str, list[Row]] = {}

    def add(self, table: str, row: Row) -> None:
        """Add a row to the table of that title. All rows of a table have the same columns."""
        self._tables.setdefault(table, []).append(row)

    def markdown(self) -> str:
        """All tables, each under its title, in an order that does not depend on that of the tests."""
        sections = [(title, sorted(rows, key=_texts)) for title, rows in sorted(self._tables.items())]
        return "\n".join(f"### {title}\n\n{table(rows)}\n" for title, rows in sections)


def table(rows: Sequence[Row]) -> str:
    """The rows, at least one, as a table; text stands left and figures right."""
    columns = list(rows[0])
    rule = ["---" if isinstance(rows[0][column], str) else "---:" for column in columns]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, rule, *map(_texts, rows)))


def _texts(row: Row) -> list[str]:
    return [_text(figure) for figure in row.values()]


def _text(figure: object) -> str:
    if isinstance(figure, float):
        return f"{figure:.2f}"
    return f"{figure:,}" if isinstance(figure, int) else str(figure)

"""Columns of values as PostgreSQL's array literals: one text per column, whatever driver carries it.

https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from treadle.exceptions import ConfigurationError


def array(values: Iterable[Any]) -> str:
    """Integers, texts, bytes or None as the literal of an array. Raises ConfigurationError for what is no text."""
    column = values if isinstance(values, tuple) else tuple(values)
    kinds = set(map(type, column))
    # Columns of one kind, as most are, are written at the speed of C.
    if kinds == {int}:
        return "{" + ",".join(map(str, column)) + "}"
    if kinds == {bytes}:
        return '{"\\\\x' + '","\\\\x'.join(map(bytes.hex, column)) + '"}'
    if kinds == {str}:
        text = '","'.join(column)
        if text.isascii() and "\0" not in text and "\\" not in text and text.count('"') == 2 * (len(column) - 1):
            return '{"' + text + '"}'
    return "{" + ",".join(map(_element, column)) + "}"


def members(values: Iterable[Any]) -> str:
    """Integers or texts to look for. What no text of the database can be is left out: nothing equals it."""
    return array(value for value in values if not isinstance(value, str) or is_text(value))


def columns(rows: Sequence[Sequence[Any]]) -> list[str]:
    """The columns of some rows, each as a literal."""
    return [array(column) for column in zip(*rows, strict=True)]


def is_text(value: str) -> bool:
    """Whether PostgreSQL can keep it: it knows no NUL, and no half of a character (surrogate)."""
    if "\0" in value:
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        if not is_text(value):
            message = f"{value!r} cannot be a text in PostgreSQL: leave out NUL characters and surrogates"
            raise ConfigurationError(message)
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, int):
        return str(int(value))
    return f'"\\\\x{bytes(value).hex()}"'

"""What options of commands may be: functions that read a text, or say in a usage error what was expected."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click


def json_list(text: str) -> list[Any]:
    """A JSON list, as for `--args`."""
    value = _json(text, '[1, "two"]')
    if not isinstance(value, list):
        raise click.BadParameter(f"{text!r} is JSON, but no list; expected, for example, '[1, \"two\"]'")
    return [*value]


def json_object(text: str) -> dict[str, Any]:
    """A JSON object, as for `--kwargs`."""
    value = _json(text, '{"name": 1}')
    if not isinstance(value, dict):
        raise click.BadParameter(f"{text!r} is JSON, but no object; expected, for example, '{{\"name\": 1}}'")
    return {**value}


def instant(text: str) -> datetime:
    """A time in ISO 8601. One without a zone is in the `timezone` setting, as everywhere."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        example = "2030-01-31T18:00:00+01:00"
        raise click.BadParameter(f"{text!r} is not a time in ISO 8601; expected, for example, {example}") from None


def instant_or_seconds(text: str) -> datetime | float:
    """A time in ISO 8601, or a number of seconds from now."""
    try:
        return float(text)
    except ValueError:
        return instant(text)


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def flat(several: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """The names of an option that may be given several times, each with commas."""
    return tuple(dict.fromkeys(name for names in several for name in names))


def _json(text: str, example: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not JSON ({error}); expected, for example, '{example}'") from None

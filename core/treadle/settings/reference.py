"""The reference page of the settings, made from their table."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any, cast

from treadle.settings.table import GROUPS, Setting, settings_of

_INTRODUCTION = """\
# Settings

<!-- Made by docs/generate.py from treadle.settings.table; change it there. -->

A setting is an attribute of `app.conf`. Its value comes from the last of these sources that names it:

1. the default below;
2. code: `Treadle(..., task_time_limit=60)`, `app.conf.task_time_limit = 60`, `app.conf.update(...)`, and
   `app.config_from_object(...)` with a module, an object or a mapping;
3. the settings of the web framework, in lower or upper case;
4. the environment: `TREADLE_TASK_TIME_LIMIT=60`. Values are JSON, words need no quotes, and an empty variable counts as
   not set;
5. the command line.

A name that is no setting, and a value that does not fit, raise `ConfigurationError`, which names the place, what was
expected and the nearest right name. Settings of Celery that are not needed here are answered with the reason. Those
whose value is "not yet" belong to a part that this version does not have: anything but an empty value is refused.
"""


def settings_reference() -> str:
    """The page, in Markdown."""
    return "\n".join([_INTRODUCTION, *map(_section, GROUPS)])


def _section(group: type) -> str:
    rows = [_row(name, row) for name, row in settings_of(group).items()]
    head = ["| setting | value | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {_title(group)}", "", *head, *rows, ""])


def _title(group: type) -> str:
    return (inspect.getdoc(group) or group.__name__).rstrip(".")


def _row(name: str, row: Setting[Any]) -> str:
    cells = (f"`{name}`", _capitalised(row.kind.expected), f"`{_default(row.default)}`", _code(row.description))
    return f"| {' | '.join(cells)} |"


def _default(value: object) -> str:
    """A default as one writes it in Python."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_default, cast('tuple[object, ...]', value)))}]"
    return f"{value:.12g}" if isinstance(value, float) else repr(value)


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _code(sentence: str) -> str:
    # None is a value where the table says it in prose.
    return re.sub(r"\bNone\b", "`None`", sentence)

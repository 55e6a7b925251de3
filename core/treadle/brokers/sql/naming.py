"""What our tables are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from treadle.exceptions import ConfigurationError


def namespace(options: Mapping[str, Any]) -> str:
    """What stands in front of the tables' names. Raises ConfigurationError if it cannot."""
    name = str(options.get("namespace") or "treadle")
    # Some databases tell capitals apart and others do not; some know no names of tables longer than 63 characters.
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        message = (
            f"namespace {name!r} cannot begin a table's name: use up to 32 lower-case letters, digits and underscores"
        )
        raise ConfigurationError(f"{message}, e.g. 'treadle'")
    return name

"""Settings as they may be shown to others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from treadle.settings.table import TABLE

HIDDEN = "***"

#: `scheme://user:password@`, greedy to the last `@` before the path, because passwords are not always quoted.
_USERINFO = re.compile(r"(?<=://)[^/?#]*@")
_QUERY = re.compile(r"\?.*", re.DOTALL)


def without_secrets(name: str, value: object) -> object:
    """The value of a setting, with user names, passwords and queries of its URLs hidden."""
    if not TABLE[name].kind.secret or value is None:
        return value
    if isinstance(value, str):
        return safe_url(value)
    return [safe_url(str(each)) for each in cast("Iterable[object]", value)]


def safe_url(url: str) -> str:
    """The URL with `***` instead of what may be secret in it; all of it, if it is none."""
    if "://" not in url:
        return HIDDEN
    return _QUERY.sub(f"?{HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", url))

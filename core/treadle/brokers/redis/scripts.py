"""The server-side scripts: Lua files with the parts they share put in front.

A file whose first line is `-- needs: clock jobs` gets `parts/clock.lua` and `parts/jobs.lua` before it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_LUA = files("treadle.brokers.redis") / "lua"
_NEEDS = "-- needs:"


class Script(NamedTuple):
    """A script as the server knows it: `EVALSHA sha`, and the text to load where it is unknown."""

    sha: str
    text: str


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, complete."""
    text = (_LUA / f"{name}.lua").read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    needs = first.removeprefix(_NEEDS).split() if first.startswith(_NEEDS) else []
    parts = [(_LUA / "parts" / f"{part}.lua").read_text(encoding="utf-8") for part in needs]
    whole = "".join([*parts, text])
    return Script(hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest(), whole)

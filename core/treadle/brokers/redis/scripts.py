"""The server-side scripts: Lua files with the parts they share put in front.

A file whose first line is `-- needs: clock jobs` gets `parts/clock.lua` and `parts/jobs.lua` before it. Parts in
brackets, as in `-- needs: clock jobs (edges telling)`, are set up only by a call of `rarely`, which answers what the
last of them returns: setting up costs a script as much as many of its commands, and the usual job needs few of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_LUA = files("treadle.brokers.redis") / "lua"
_NEEDS = "-- needs:"
_RARELY = """\
local loaded
local function rarely()
  loaded = loaded or (function()
{parts}
  end)()
  return loaded
end
"""


class Script(NamedTuple):
    """A script as the server knows it: `EVALSHA sha`, and the text to load where it is unknown."""

    sha: str
    text: str


@cache
def script(name: str) -> Script:
    """The script `lua/<name>.lua`, complete."""
    text = (_LUA / f"{name}.lua").read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    needs = first.removeprefix(_NEEDS) if first.startswith(_NEEDS) else ""
    whole = "".join([*_parts(needs), text])
    return Script(hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest(), whole)


def _parts(needs: str) -> Iterator[str]:
    for rare, name in re.findall(r"\((.*?)\)|([^\s()]+)", needs):
        if name:
            yield (_LUA / "parts" / f"{name}.lua").read_text(encoding="utf-8")
        else:
            yield _RARELY.format(parts="".join(_parts(rare)))

"""The pages of the documentation, taken apart: blocks of code, words set as code, links.

What is to be done with a block is said in a comment in front of it, which no reader sees:

    <!-- file: tasks.py -->         put it into a file of that name
    <!-- in the background -->      start it, and let it run until the page ends
    <!-- fails -->                  it ends with an exit code other than 0
    <!-- not run: why -->           only looked at
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
#: Where the pages say that servers are, and the fixtures that tell where they are in truth.
STORES_IN_PAGES: Mapping[str, str] = MappingProxyType(
    {"redis://localhost:6379/0": "redis_url", "postgresql://shop@localhost/shop": "postgres_url"}
)

_BLOCK = re.compile(
    r"(?:^<!-- (?P<order>[^\n]*?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_COMMAND = re.compile(r"^\$ (.+(?:\n> .+)*)", re.MULTILINE)


class Block(NamedTuple):
    """One block of code."""

    page: Path
    line: int
    language: str
    #: What the comment in front of it says; empty if there is none.
    order: str
    text: str

    @property
    def is_run(self) -> bool:
        """Whether the block is to be executed, written to a file, or compared."""
        return self.language in {"python", "pycon", "console"} and not self.order.startswith("not run")

    @property
    def file_name(self) -> str:
        """The file it is to be written to; empty if it is none."""
        return self.order.removeprefix("file: ") if self.order.startswith("file: ") else ""


class Command(NamedTuple):
    """A command line in a block of the language `console`, and what is shown below it."""

    line: str
    output: str


def all_pages() -> list[Path]:
    """Every page that users read."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of code of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, _line_at(text, found.start("language")), found["language"], found["order"] or "", found["text"])
        for found in _BLOCK.finditer(text)
    ]


def commands_of(block: Block) -> list[Command]:
    """The commands of a `console` block: lines that begin with `$`, continued by lines that begin with `>`."""
    found = list(_COMMAND.finditer(block.text))
    ends = [each.start() for each in found[1:]] + [len(block.text)]
    return [
        Command(each[1].replace("\n> ", "\n"), block.text[each.end() : end].strip("\n"))
        for each, end in zip(found, ends, strict=True)
    ]


def prose_of(page: Path) -> str:
    """A page without its blocks of code."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def words_of(page: Path) -> Iterator[str]:
    """What the prose of a page sets as code."""
    return (found[1] for found in _CODE.finditer(prose_of(page)))


def links_of(page: Path) -> list[str]:
    """Where a page's links lead, as they are written."""
    return _LINK.findall(prose_of(page))


def anchors_of(page: Path) -> set[str]:
    """The fragments by which a page's headings can be linked to."""
    return {_slug(found[1]) for found in _HEADING.finditer(prose_of(page))}


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")

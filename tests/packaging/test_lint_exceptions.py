"""How often the engine asks a linter to look away: seldom, and never without saying why."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path

CORE = Path(__file__).parents[2] / "core"
FEWER_THAN = 20

WITH_CODE_AND_REASON = re.compile(r"# noqa: [A-Z]+\d+(, [A-Z]+\d+)* - \S+")


def noqa_comments() -> list[str]:
    """Every `noqa` comment of the engine, as `path:line: comment`."""
    found: list[str] = []
    for path in sorted(CORE.rglob("*.py")):
        with path.open("rb") as source:
            found.extend(
                f"{path.relative_to(CORE)}:{token.start[0]}: {token.string}"
                for token in tokenize.tokenize(source.readline)
                if token.type == tokenize.COMMENT and "noqa" in token.string.lower()
            )
    return found


def test_noqa_is_rare() -> None:
    comments = noqa_comments()
    assert len(comments) < FEWER_THAN, "\n".join(comments)


def test_every_noqa_has_a_code_and_a_reason() -> None:
    assert [comment for comment in noqa_comments() if not WITH_CODE_AND_REASON.search(comment)] == []

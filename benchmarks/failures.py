"""What went wrong, so that the run can go on without it and say so."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

#: What a contestant, its installation or a server may end a turn with. Anything else is our own mistake, and stops us.
_FAILURES = (subprocess.SubprocessError, RuntimeError, OSError)


class Failures:
    """What is left out, and why."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    @contextmanager
    def caught(self, what: str) -> Generator[None]:
        """Leave `what` out if the block fails, and tell it at once."""
        try:
            yield
        except _FAILURES as error:
            self._reasons[what] = str(error).strip() or repr(error)
            print(f"\r\033[K{what} is left out: {self._reasons[what]}", file=sys.stderr)

    def __contains__(self, what: str) -> bool:
        return what in self._reasons

    def __str__(self) -> str:
        """One line each, as Markdown; empty if all went well. The last line of a complaint says what it is about."""
        return "\n".join(f"- left out: {what} ({reason.splitlines()[-1]})" for what, reason in self._reasons.items())

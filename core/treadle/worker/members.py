"""The ids of the jobs in running batches, in a part of the shared memory: who is suspect if the child dies."""

from __future__ import annotations

import bisect
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Span(NamedTuple):
    """A piece of the memory."""

    start: int
    length: int


class Members:
    """Lists of ids of any length, side by side. Written by one thread of the child, read by the supervisor."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        #: What is in use, by its start.
        self._spans: list[Span] = []

    def write(self, ids: Sequence[str]) -> Span | None:
        """Keep the ids until `drop`; None if there is no room for so many."""
        content = json.dumps(ids, separators=(",", ":")).encode()
        start = self._gap(len(content))
        if start is None:
            return None
        span = Span(start, len(content))
        self._memory[start : start + len(content)] = content
        bisect.insort(self._spans, span)
        return span

    def drop(self, span: Span) -> None:
        """Nobody needs these any more."""
        self._spans.remove(span)

    def read(self, span: Span) -> list[str]:
        """The ids that were written there."""
        ids: list[str] = json.loads(bytes(self._memory[span.start : span.start + span.length]))
        return ids

    def _gap(self, length: int) -> int | None:
        start = 0
        for span in self._spans:
            if span.start - start >= length:
                return start
            start = span.start + span.length
        return start if len(self._memory) - start >= length else None

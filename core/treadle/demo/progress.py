"""A progress bar: redrawn on a terminal, a line for each tenth elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 40
_REDRAW_S = 0.05


class Progress:
    """Counts up to `total` on `stream`."""

    def __init__(self, total: int, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._done = 0
        self._drawn_s = float("-inf")

    def show(self, done: int) -> None:
        """So many are done."""
        before, self._done = self._done, done
        if self._is_terminal:
            self._redraw()
        elif tenth(self._done, self._total) > tenth(before, self._total):
            self._stream.write(f"{tenth(self._done, self._total) * 10:>3} %  {self._done} of {self._total}\n")
            self._stream.flush()

    def _redraw(self) -> None:
        is_last = self._done == self._total
        if is_last or self._clock() - self._drawn_s >= _REDRAW_S:
            self._drawn_s = self._clock()
            self._stream.write(f"\r{bar(self._done, self._total)}" + ("\n" if is_last else ""))
            self._stream.flush()


def tenth(done: int, total: int) -> int:
    """How many tenths are complete."""
    return done * 10 // total


def bar(done: int, total: int, width: int = _WIDTH) -> str:
    """The bar as text, e.g. `[####----]  50 %  4 of 8`."""
    filled = done * width // total
    return f"[{'#' * filled}{'-' * (width - filled)}] {done * 100 // total:>3} %  {done} of {total}"

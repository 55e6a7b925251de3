"""A trap for one request among those of many connections: it is heard, but its answer is not."""

from __future__ import annotations

import threading


class Trap:
    """Closes on the `nth` request that contains `pattern`, and springs once the answer contains `until`.

    A request is what a client sends between two answers. Empty patterns are contained in everything.
    """

    def __init__(self, pattern: bytes, nth: int, until: bytes) -> None:
        self.pattern = pattern
        self.until = until
        self.sprung = threading.Event()
        self._nth = nth

    def count(self) -> bool:
        """Count one more request that contains the pattern: whether it is the one."""
        self._nth -= 1
        return self._nth == 0


class Conversation:
    """The requests and answers of one connection, as far as a trap needs to know them."""

    def __init__(self) -> None:
        self._trap: Trap | None = None
        self._search = _Search(b"")
        self._is_asking = False
        self._is_counted = False
        self.is_trapped = False

    def request(self, chunk: bytes, trap: Trap | None) -> None:
        """Hear a chunk of a request while `trap` is set. It is trapped from then on if this is the request."""
        if self.is_trapped or trap is None:
            self._is_asking = True
            return
        if trap is not self._trap or not self._is_asking:
            self._trap, self._search, self._is_counted = trap, _Search(trap.pattern), False
        self._is_asking = True
        if not self._is_counted and self._search.finds_in(chunk):
            self._is_counted = True
            self.is_trapped = trap.count()
            if self.is_trapped:
                self._search = _Search(trap.until)

    def answer(self, chunk: bytes) -> Trap | None:
        """Hear a chunk of an answer. Gives the trap that springs with it."""
        self._is_asking = False
        return self._trap if self.is_trapped and self._search.finds_in(chunk) else None


class _Search:
    """Whether a stream contains `pattern`, wherever its chunks begin and end."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern
        self._end = b""

    def finds_in(self, chunk: bytes) -> bool:
        """Whether it is in the stream up to and with this chunk, and was not before it."""
        text = self._end + chunk
        self._end = text[max(0, len(text) - len(self._pattern) + 1) :]
        return self._pattern in text

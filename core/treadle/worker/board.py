"""What a child tells its supervisor without a word: shared memory with what runs, since when, until when.

One part per child, written by the child, read by the supervisor at any moment, also after the child's
death. Times are of the system's monotonic clock, which all processes of a machine share.

    8 words         tick, runs done, until when the lease holds, length of the batch, runs done before it, recall
    64 KiB          the batch in hand, as JSON: `[id, receipt, key]` of each delivery, in order
    then per slot   receipt, hard deadline, start time, length of the id, and 256 bytes for the id
"""

from __future__ import annotations

import json
import mmap
import time
from typing import TYPE_CHECKING, NamedTuple

from treadle.job import Delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH_BYTES = 65536
_BATCH_START = 64
_HEADER_BYTES = _BATCH_START + _BATCH_BYTES
_SLOT_WORDS = 4
_ID_BYTES = 256
_SLOT_BYTES = _SLOT_WORDS * 8 + _ID_BYTES
_TICK, _DONE, _LEASE_UNTIL, _BATCH_LENGTH, _BATCH_DONE, _RECALL = range(6)
_RECEIPT, _DEADLINE, _STARTED, _LENGTH = range(4)


class Running(NamedTuple):
    """A job that runs, as the supervisor sees it."""

    id: str
    receipt: int
    started_s: float
    #: When the child is to be killed; 0: never.
    deadline_s: float


def board_size(slots: int) -> int:
    """Bytes that the board of one child takes, rounded up to whole pages."""
    size = _HEADER_BYTES + slots * _SLOT_BYTES
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


class Board:
    """One child's part of the shared memory."""

    def __init__(self, memory: mmap.mmap, offset: int, slots: int) -> None:
        view = memoryview(memory)[offset : offset + board_size(slots)]
        self._bytes = view
        self._ints = view.cast("q")
        self._floats = view.cast("d")
        self.slots = slots

    # The child's side ------------------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """The broker thread is alive."""
        self._floats[_TICK] = now_s

    def hold(self, batch: Sequence[Delivery]) -> None:
        """These deliveries are about to be run, one after another in this order.

        A batch of one needs no telling, nor do children with several slots: they hold nothing that waits.
        """
        self._ints[_BATCH_LENGTH] = 0
        self._ints[_RECALL] = 0
        if len(batch) > 1 and self.slots == 1:
            content = json.dumps([[each.id, each.receipt, each.key] for each in batch]).encode()
            if len(content) <= _BATCH_BYTES:
                self._bytes[_BATCH_START : _BATCH_START + len(content)] = content
                self._ints[_BATCH_DONE] = self._ints[_DONE]
                self._ints[_BATCH_LENGTH] = len(content)

    @property
    def is_recalled(self) -> bool:
        """Whether the supervisor has given back what was not started."""
        return self._ints[_RECALL] != 0

    def begin(self, slot: int, job_id: str, receipt: int, now_s: float, deadline_s: float) -> None:
        """A job starts to run. The receipt is written last: it makes the slot count."""
        word = (_HEADER_BYTES + slot * _SLOT_BYTES) >> 3
        name = job_id.encode()
        start = (word + _SLOT_WORDS) << 3
        self._bytes[start : start + len(name)] = name
        self._ints[word + _LENGTH] = len(name)
        self._floats[word + _STARTED] = now_s
        self._floats[word + _DEADLINE] = deadline_s
        self._ints[word + _RECEIPT] = receipt

    def end(self, slot: int) -> None:
        """The job does not run any more."""
        self._ints[(_HEADER_BYTES + slot * _SLOT_BYTES) >> 3] = 0
        self._ints[_DONE] += 1

    @property
    def lease_holds(self) -> bool:
        """Whether the lease was renewed in time. If not, nothing more may be started."""
        return time.monotonic() < self._floats[_LEASE_UNTIL]

    # The supervisor's side -------------------------------------------------------------------------

    def clear(self, now_s: float) -> None:
        """Make the board ready for a new child."""
        self._bytes[:] = bytes(len(self._bytes))
        self.tick(now_s)

    def extend_lease(self, until_s: float) -> None:
        """The lease was renewed: it holds until then."""
        self._floats[_LEASE_UNTIL] = until_s

    @property
    def ticked_s(self) -> float:
        """When the broker thread was last known to be alive."""
        return self._floats[_TICK]

    @property
    def done(self) -> int:
        """How many runs have ended."""
        return self._ints[_DONE]

    def recall(self) -> list[Delivery]:
        """Take back what the child has not started, for a child whose broker thread cannot do it by itself.

        From now on the child starts nothing of this batch. What is answered is to be released; if the child
        starts one at this very moment after all, its settlement is refused.
        """
        length = self._ints[_BATCH_LENGTH]
        if not length or self._ints[_RECALL]:
            return []
        self._ints[_RECALL] = 1
        batch = json.loads(bytes(self._bytes[_BATCH_START : _BATCH_START + length]))
        started = self._ints[_DONE] - self._ints[_BATCH_DONE] + 1
        return [_held(*each) for each in batch[started:]]

    def running(self) -> list[Running]:
        """The jobs that run now, or ran when the child died."""
        found: list[Running] = []
        for slot in range(self.slots):
            word = (_HEADER_BYTES + slot * _SLOT_BYTES) >> 3
            receipt = self._ints[word + _RECEIPT]
            if receipt:
                start, length = (word + _SLOT_WORDS) << 3, self._ints[word + _LENGTH]
                name = bytes(self._bytes[start : start + length]).decode("utf-8", "replace")
                found.append(Running(name, receipt, self._floats[word + _STARTED], self._floats[word + _DEADLINE]))
        return found


def _held(job_id: str, receipt: int, key: int | str) -> Delivery:
    return Delivery(job_id, "", b"", "", 0, b"", receipt, 0, 0, False, b"", key)

"""What a child tells its supervisor without a word: shared memory with what runs, since when, until when.

One part per child, written by the child, read by the supervisor at any moment, also after the child's
death. Times are of the system's monotonic clock, which all processes of a machine share.

    16 words        tick, runs done, until when the lease holds, length of what is claimed ahead, runs done before
                    it, recall, length of what is collected, whether a suspect runs alone, rows in use beyond slots
    64 KiB          what is claimed ahead, as JSON: `[id, receipt, key]` of each delivery, in order
    256 KiB         what is collected for batches, as lines of such JSON
    1 MiB           the ids of running batches (`treadle.worker.members`)
    then per row    receipt, hard deadline, start time, length of the id, where the ids of the batch are and their
                    length, whether it waits (and is suspect), and 256 bytes for the id

There is a row for each slot, and more for jobs that run in the place of others that wait.
"""

from __future__ import annotations

import json
import mmap
import time
from typing import TYPE_CHECKING, NamedTuple

from treadle.job import Delivery
from treadle.worker.members import Members, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH_BYTES = 65536
_COLLECTED_BYTES = 256 * 1024
_MEMBERS_BYTES = 1024 * 1024
_BATCH_START = 128
_COLLECTED_START = _BATCH_START + _BATCH_BYTES
_MEMBERS_START = _COLLECTED_START + _COLLECTED_BYTES
_HEADER_BYTES = _MEMBERS_START + _MEMBERS_BYTES
_SLOT_WORDS = 8
_ID_BYTES = 256
_SLOT_BYTES = _SLOT_WORDS * 8 + _ID_BYTES
_TICK, _DONE, _LEASE_UNTIL, _BATCH_LENGTH, _BATCH_DONE, _RECALL, _COLLECTED_LENGTH, _ALONE, _ROWS = range(9)
_RECEIPT, _DEADLINE, _STARTED, _LENGTH, _SPAN_START, _SPAN_LENGTH, _WAITS = range(7)

#: How many jobs of one child may wait for others while more run in their places.
MAX_WAITING = 100


class Running(NamedTuple):
    """A job that runs, as the supervisor sees it."""

    id: str
    receipt: int
    started_s: float
    #: When the child is to be killed; 0: never.
    deadline_s: float
    #: Where the ids of all its jobs are, if it is a batch.
    span: Span = Span(0, 0)
    #: It waits for other jobs, and let others run in its place.
    waits: bool = False
    #: It waits, and was claimed as a suspect.
    suspect: bool = False


def board_size(slots: int) -> int:
    """Bytes that the board of one child takes, rounded up to whole pages."""
    size = _HEADER_BYTES + (slots + MAX_WAITING) * _SLOT_BYTES
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


class Board:
    """One child's part of the shared memory."""

    def __init__(self, memory: mmap.mmap, offset: int, slots: int) -> None:
        view = memoryview(memory)[offset : offset + board_size(slots)]
        self._bytes = view
        self._ints = view.cast("q")
        self._floats = view.cast("d")
        self.slots = slots
        #: The ids of the jobs of running batches.
        self.members = Members(view[_MEMBERS_START:_HEADER_BYTES])

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
        self._ints[_ALONE] = batch[0].suspect
        if len(batch) > 1 and self.slots == 1:
            content = _listed(batch)
            if len(content) <= _BATCH_BYTES:
                self._bytes[_BATCH_START : _BATCH_START + len(content)] = content
                self._ints[_BATCH_DONE] = self._ints[_DONE]
                self._ints[_BATCH_LENGTH] = len(content)

    def collect(self, deliveries: Sequence[Delivery]) -> None:
        """These deliveries are held until their batch is complete. What there is no room for is not shown."""
        length, content = self._ints[_COLLECTED_LENGTH], _listed(deliveries) + b"\n"
        if length + len(content) <= _COLLECTED_BYTES:
            start = _COLLECTED_START + length
            self._bytes[start : start + len(content)] = content
            self._ints[_COLLECTED_LENGTH] = length + len(content)

    def recollect(self, deliveries: Sequence[Delivery]) -> None:
        """Of what was collected, only these deliveries are left. If some were recalled, that is over."""
        self._ints[_COLLECTED_LENGTH] = self._ints[_RECALL] = 0
        if deliveries:
            self.collect(deliveries)

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

    def show_waiting(self, slot: int, *, waits: bool, suspect: bool = False) -> None:
        """The job in this slot waits, so that the next one may be started; or it goes on."""
        self._ints[_first_word(slot) + _WAITS] = waits + 2 * suspect
        self._ints[_DONE] += waits

    def add_row(self, slot: int) -> None:
        """There is one slot more."""
        self._ints[_ROWS] = max(self._ints[_ROWS], slot + 1 - self.slots)

    def show_members(self, slot: int, span: Span) -> None:
        """What starts to run in this slot is a batch of these jobs. An empty span: it is none any more."""
        word = _first_word(slot)
        self._ints[word + _SPAN_START], self._ints[word + _SPAN_LENGTH] = span

    @property
    def lease_holds(self) -> bool:
        """Whether the lease was renewed in time. If not, nothing more may be started."""
        return time.monotonic() < self._floats[_LEASE_UNTIL]

    # The supervisor's side -------------------------------------------------------------------------

    def clear(self, now_s: float) -> None:
        """Make the board ready for a new child. What no child has touched stays untouched, and takes no memory."""
        self._bytes[:_BATCH_START] = bytes(_BATCH_START)
        self._bytes[_HEADER_BYTES:] = bytes(len(self._bytes) - _HEADER_BYTES)
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
        if self._ints[_RECALL]:
            return []
        unstarted = [*self._claimed_ahead(), *self._collected()]
        if unstarted:
            self._ints[_RECALL] = 1
        return unstarted

    def running(self) -> list[Running]:
        """The jobs that run now, or ran when the child died."""
        return [self._row(row) for row in range(self.slots + self._ints[_ROWS]) if self._ints[_first_word(row)]]

    def ids_of(self, run: Running) -> list[str]:
        """All jobs of a run: several, if it is a batch."""
        return self.members.read(run.span) if run.span.length else [run.id]

    @property
    def runs_suspect(self) -> bool:
        """Whether what was started last was a suspect: nothing else was running then, but what waited."""
        return self._ints[_ALONE] != 0

    def _row(self, row: int) -> Running:
        word = _first_word(row)
        start, length = (word + _SLOT_WORDS) << 3, self._ints[word + _LENGTH]
        span = Span(self._ints[word + _SPAN_START], self._ints[word + _SPAN_LENGTH])
        return Running(
            bytes(self._bytes[start : start + length]).decode("utf-8", "replace"),
            self._ints[word + _RECEIPT],
            self._floats[word + _STARTED],
            self._floats[word + _DEADLINE],
            span,
            self._ints[word + _WAITS] != 0,
            self._ints[word + _WAITS] > 1,
        )

    def _claimed_ahead(self) -> list[Delivery]:
        length = self._ints[_BATCH_LENGTH]
        if not length:
            return []
        batch = json.loads(bytes(self._bytes[_BATCH_START : _BATCH_START + length]))
        started = self._ints[_DONE] - self._ints[_BATCH_DONE] + 1
        return [_held(*each) for each in batch[started:]]

    def _collected(self) -> list[Delivery]:
        content = bytes(self._bytes[_COLLECTED_START : _COLLECTED_START + self._ints[_COLLECTED_LENGTH]])
        return [_held(*each) for line in content.splitlines() for each in json.loads(line)]


def _first_word(row: int) -> int:
    return (_HEADER_BYTES + row * _SLOT_BYTES) >> 3


def _listed(deliveries: Sequence[Delivery]) -> bytes:
    return json.dumps([[each.id, each.receipt, each.key] for each in deliveries]).encode()


def _held(job_id: str, receipt: int, key: int | str) -> Delivery:
    return Delivery(job_id, "", b"", "", 0, b"", receipt, 0, 0, False, b"", key)

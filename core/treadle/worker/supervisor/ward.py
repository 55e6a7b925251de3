"""What the supervisor knows of one child."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from treadle.worker.board import Board
    from treadle.worker.channel import Channel

#: A child that hung up and was not reaped by then is taken for gone.
_UNREAPED_S = 2.0


class Crash(NamedTuple):
    """Why a child died."""

    #: `crashed`, `time_limit`, or a word that charges nobody (`shutdown`, `lease_lost`).
    reason: str
    text: str


class Ward:
    """One child in the supervisor's care."""

    def __init__(
        self, number: int, lease: str, channel: Channel, theirs: Channel, board: Board, *, failures: int
    ) -> None:
        self.number, self.lease, self.channel, self.board = number, lease, channel, board
        self._theirs: Channel | None = theirs
        #: 0 until it has said hello.
        self.pid = 0
        self.made_s = time.monotonic()
        self.started_s = 0.0
        #: Whether it takes jobs: the application's start hooks have run.
        self.is_serving = False
        #: Which template was asked to fork it.
        self.asked_of = 0
        #: When its end of the channel was closed; 0: it is open.
        self.hung_up_s = 0.0
        #: Why it ended by itself, in its own words; empty if it did not say.
        self.farewell = ""
        #: Why we killed it, if we did, and the job that was the reason.
        self.crash: Crash | None = None
        self.guilty: str | None = None
        #: How many children before it, under this number, died at start.
        self.failures = failures

    def give_away(self) -> Channel:
        """The child's end of the channel, once."""
        theirs, self._theirs = self._theirs, None
        if theirs is None:
            raise RuntimeError(f"child {self.lease} was made already")
        return theirs

    @property
    def was_given_away(self) -> bool:
        """Whether its making was asked for."""
        return self._theirs is None

    def born(self, pid: int) -> None:
        """Its process exists."""
        self.pid = pid
        self.started_s = self.started_s or time.monotonic()

    def shows_life(self, now_s: float, within_s: float) -> bool:
        """Whether its broker thread, once there is one, was seen within that time."""
        return not self.is_serving or now_s - self.board.ticked_s < within_s

    def hear(self, message: dict[str, Any]) -> None:
        """Take in what it says."""
        if message["say"] == "hello":
            self.born(message["pid"])
        elif message["say"] == "serving":
            self.is_serving = True
        elif message["say"] == "bye":
            self.farewell = message["why"]

    def hear_last_words(self) -> None:
        """Take in what it said before it died."""
        self.channel.socket.setblocking(False)
        for message in self.channel.receive() or ():
            self.hear(message)

    def tell_to_stop(self, why: str, grace_s: float) -> None:
        """Let it finish what runs within `grace_s`."""
        if self.pid:
            self.channel.send({"do": "stop", "why": why, "grace_s": grace_s})

    def age_s(self) -> float:
        """How long it has been."""
        return time.monotonic() - (self.started_s or self.made_s)

    def is_surely_gone(self, now_s: float) -> bool:
        """Whether it hung up and nothing was heard of its end since, as where nobody can wait for it."""
        return self.hung_up_s > 0 and now_s - self.hung_up_s > _UNREAPED_S

"""What leads from one job to another, and what the end of the one means to the other.

See docs/adr/0013-workflows.md. Pure: every store decides by these rules, whatever language it says them in.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

#: On what an edge counts: its source succeeded, ended otherwise, or ended at all.
On = Literal["success", "failure", "end"]

#: What the end of a source is to its targets. `unneeded`: it waited for a failure that did not come, and never ran.
Ending = Literal["success", "failure", "unneeded"]

#: The place of a source that a target only waits for, and takes nothing from.
NO_PLACE = -1

#: The place of a source whose result is the target's own: the target replaced itself by it.
RESULT_PLACE = -2


class Edge(NamedTuple):
    """From a job to one that waits for its end."""

    target: str
    #: The number of the source among the inputs of the target.
    place: int = 0
    on: On = "success"
    #: The target did not know of this source: it now needs one more.
    grows: bool = False


class After(NamedTuple):
    """The same, seen from the job that waits: for an end that may have come already."""

    source: str
    place: int = NO_PLACE
    on: On = "success"


class Input(NamedTuple):
    """What became of a job that another one waited for."""

    id: str
    place: int
    state: str
    reason: str
    #: The encoded value; empty for a join, whose value is that of its own inputs.
    result: bytes
    error: bytes
    is_join: bool
    #: A join's options, which say what it makes of its inputs; else empty.
    options: bytes = b""


class Standing(NamedTuple):
    """What a blocked job still waits for."""

    #: How many edges to it must still count before it may start.
    need: int
    #: How many may still turn out not to count.
    spare: int

    @property
    def is_free(self) -> bool:
        """Whether it waits for nothing more."""
        return self.need <= 0

    @property
    def is_lost(self) -> bool:
        """Whether it can never start."""
        return self.need > 0 and self.spare < 0

    def after(self, on: On, ending: Ending) -> Standing:
        """How it stands once the source of an edge has ended."""
        counts = on in ("end", ending)
        return Standing(self.need - 1, self.spare) if counts else Standing(self.need, self.spare - 1)


def ending_of(state: str, reason: str) -> Ending:
    """What a job's final state is to those that wait for it."""
    if state == "succeeded":
        return "success"
    return "unneeded" if reason == "unneeded" else "failure"


def is_unneeded(on: On, ending: Ending) -> bool:
    """Whether a target that can never start, because of this edge, missed nothing: else it is skipped."""
    return on == "failure" or ending == "unneeded"

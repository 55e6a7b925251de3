"""The values that travel: a job, a delivery of it, and the record a store keeps.

They are named tuples because one of each is built per job on the hot path: building one takes two
thirds of the time of a frozen dataclass with three fields, and a sixth with the twelve of a
delivery, and it is as immutable (docs/adr/0007-named-tuples.md). All times are integer milliseconds of the store's
clock (Unix epoch), unless a name ends in `_s`.
"""

from __future__ import annotations

import os
import time
from typing import Literal, NamedTuple

from treadle.edges import After, Edge

State = Literal["scheduled", "blocked", "queued", "running", "succeeded", "failed", "cancelled"]
LIVE_STATES: tuple[State, ...] = ("scheduled", "blocked", "queued", "running")
FINAL_STATES: tuple[State, ...] = ("succeeded", "failed", "cancelled")

FailReason = Literal[
    "error", "exhausted", "crashed", "time_limit", "rejected", "unregistered", "undecodable", "skipped"
]
#: `unneeded`: it waited for a failure that did not come.
CancelReason = Literal["revoked", "expired", "duplicate", "unneeded"]

MIN_PRIORITY, MAX_PRIORITY = -100, 100
MAX_ID_LENGTH = 255
MAX_NAME_LENGTH = 255

#: The digits whose first two bits are the variant of RFC 9562.
_VARIANTS = "89ab"


class Job(NamedTuple):
    """A request to run a task, as it is handed to `Broker.publish`.

    `payload` is self-describing: a content name, a colon, the encoded `[args, kwargs]`
    (`treadle.serialization`). `options` is a JSON object, or empty: what only the worker needs
    (time limits, headers, ancestry ...). The store reads neither.
    """

    id: str
    task: str
    payload: bytes
    queue: str = "default"
    priority: int = 0
    options: bytes = b""
    #: Milliseconds to wait, counted from the store's clock at publish. 0: none.
    delay_ms: int = 0
    #: Absolute time before which the job must not start. 0: none. The later of the two holds.
    eta_ms: int = 0
    #: Milliseconds from publish after which the job must not start any more. 0: never.
    ttl_ms: int = 0
    #: Absolute time after which the job must not start any more. 0: never. The earlier of the two holds.
    expires_ms: int = 0
    #: False: a job that may have started is never started again; it ends failed (`crashed`).
    redeliver: bool = True
    #: Above 0 the job is `blocked`: so many edges to it must count before it may start.
    need: int = 0
    #: How many edges to it may turn out not to count; one more, and it never starts.
    spare: int = 0
    #: Nobody runs it: the store ends it as soon as nothing is needed any more.
    is_join: bool = False
    #: Who waits for its end. A target must be known before: jobs are published after those they lead to.
    edges: tuple[Edge, ...] = ()
    #: For whose end it waits, beside those whose edges lead to it. These must be known before, and may have ended.
    after: tuple[After, ...] = ()
    #: The id under which all jobs of its workflow are found; empty: it is none's part.
    workflow: str = ""

    @property
    def waits_or_leads(self) -> bool:
        """Whether it is a part of a workflow."""
        return bool(self.edges or self.need or self.is_join or self.after or self.workflow)


class Delivery(NamedTuple):
    """A claimed job in the hands of one child. `receipt` proves that it is still theirs."""

    id: str
    task: str
    payload: bytes
    queue: str
    priority: int
    options: bytes
    #: Raised by every claim, never reset: the fence.
    receipt: int
    #: Charged runs before this one (retries and crashes; not releases).
    attempt: int
    #: How many of those ended with the death of the process.
    crashes: int
    #: Recovered from a death in which it may have been guilty: run it alone.
    suspect: bool
    #: Not empty: do not run the function; the job's end is this error (`treadle.serialization.failure`).
    verdict: bytes
    #: The store's own key for the job, opaque to everybody else.
    key: int | str


class Record(NamedTuple):
    """All that a store knows of one job."""

    id: str
    task: str
    queue: str
    priority: int
    state: State
    #: Why a final state was reached; empty for live and succeeded jobs.
    reason: str
    attempt: int
    crashes: int
    receipt: int
    payload: bytes
    options: bytes
    #: Encoded return value; empty unless succeeded with a value.
    result: bytes
    #: Encoded error: of the last retry, or the final one; empty if none.
    error: bytes
    #: Encoded `[state word, meta]` of the last `update_state`; empty if none.
    progress: bytes
    created_ms: int
    #: When it may start, for scheduled jobs; 0 otherwise.
    due_ms: int
    expires_ms: int
    started_ms: int
    finished_ms: int
    #: The lease it runs or last ran under (`worker/child`); empty if it never ran.
    lease: str
    #: Somebody asked to cancel it while it was running: "", "revoke" or "terminate".
    cancelling: str
    #: The id of the workflow that it is a part of; empty if it is none's.
    workflow: str = ""
    #: Its value is that of its inputs (`Broker.inputs`): no worker runs it (any more).
    is_join: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the job has ended and will not change unless it is requeued."""
        return self.state in FINAL_STATES


def new_id() -> str:
    """A fresh job id: a UUID version 7 (RFC 9562) in its usual spelling, so ids sort by time."""
    dice = os.urandom(10)
    digits = dice.hex()
    stamp = f"{time.time_ns() // 1_000_000:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{digits[:3]}-{_VARIANTS[dice[9] & 3]}{digits[3:6]}-{digits[6:18]}"

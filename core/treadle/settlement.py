"""How a delivery is given back: the one vocabulary between a worker and a store.

Retry is a way of giving back, so a store does it in the same atomic step as everything else. A
worker that died has decided nothing.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from treadle.job import Delivery


class Complete(NamedTuple):
    """The job succeeded. `result` is the encoded value, empty for none."""

    delivery: Delivery
    result: bytes = b""


class Fail(NamedTuple):
    """The job failed for good, for a `FailReason`. `error` is the encoded error."""

    delivery: Delivery
    reason: str
    error: bytes = b""


class Retry(NamedTuple):
    """This run is charged; the job runs again `delay_ms` from now by the store's clock.

    None in `payload`, `options`, `queue` or `priority` leaves what the job had.
    If somebody asked to cancel the job meanwhile, the store ends it `cancelled` (`revoked`) instead.
    """

    delivery: Delivery
    delay_ms: int
    error: bytes = b""
    payload: bytes | None = None
    options: bytes | None = None
    queue: str | None = None
    priority: int | None = None


class Cancel(NamedTuple):
    """The job ends cancelled, for a `CancelReason`."""

    delivery: Delivery
    reason: str
    error: bytes = b""


class Release(NamedTuple):
    """Not run, or not to its end: back to where it stood in its queue, and nothing is charged."""

    delivery: Delivery
    #: True: it may be what broke the worker; let it run alone next time.
    suspect: bool = False


class Replace(NamedTuple):
    """This run is charged, and another job's end becomes this one's.

    The job is `blocked` from now on, as a join that needs the success of `source`, whose value will be its own
    (`RESULT_PLACE`); what waited for the job goes on waiting. In the same step `gate` is opened, behind which `source`
    and all that leads to it were published. If somebody asked to cancel the job meanwhile, it ends `cancelled`
    (`revoked`) instead, and so does the gate.
    """

    delivery: Delivery
    source: str
    gate: str


Settlement: TypeAlias = Complete | Fail | Retry | Cancel | Release | Replace

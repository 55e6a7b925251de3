"""The deliveries of one batch, on their way to a slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from treadle.job import Delivery
    from treadle.worker.members import Span


class Bundle(NamedTuple):
    """What one call of a batch task gets. It takes one slot, and one place on the desk."""

    deliveries: list[Delivery]
    #: Where the board keeps the ids.
    span: Span

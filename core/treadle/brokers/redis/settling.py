"""Settlements as the flat arguments of the `exchange` script."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.settlement import Cancel, Complete, Fail, Release, Replace, Settlement

#: The most jobs one script call handles: a script holds up everybody, so it must be short.
CHUNK = 500


def chunks_of(settlements: Sequence[Settlement]) -> list[Sequence[Settlement]]:
    """The settlements in pieces that one call may handle; at least one piece, which may be empty."""
    return [settlements[at : at + CHUNK] for at in range(0, len(settlements) or 1, CHUNK)]


def to_arguments(settlements: Sequence[Settlement]) -> list[str | bytes | int]:
    """What the script reads: kind, id, key, receipt and what the kind needs, one after the other."""
    flat: list[str | bytes | int] = []
    for settlement in settlements:
        delivery = settlement.delivery
        if isinstance(settlement, Complete):
            flat += ("S", delivery.id, delivery.key, delivery.receipt, settlement.result)
        elif isinstance(settlement, Fail):
            flat += ("F", delivery.id, delivery.key, delivery.receipt, settlement.reason, settlement.error)
        elif isinstance(settlement, Cancel):
            flat += ("C", delivery.id, delivery.key, delivery.receipt, settlement.reason, settlement.error)
        elif isinstance(settlement, Replace):
            flat += ("P", delivery.id, delivery.key, delivery.receipt, settlement.source, settlement.gate)
        elif isinstance(settlement, Release):
            flat += ("R", delivery.id, delivery.key, delivery.receipt, int(settlement.suspect))
        else:
            flat += ("T", delivery.id, delivery.key, delivery.receipt, settlement.delay_ms, settlement.error)
            changes = (settlement.payload, settlement.options, settlement.queue, settlement.priority)
            flat.append("".join(letter for letter, value in zip("poqi", changes, strict=True) if value is not None))
            flat += ["" if value is None else value for value in changes]
    return flat

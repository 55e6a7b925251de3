"""Keeping: the record of a job stays for as long as others may ask for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from treadle.brokers.sql.store import Transaction


def awaited(transaction: Transaction, seqs: Sequence[int]) -> set[int]:
    """Those of these jobs for which one waits that has not ended, be it through joins, which hand on what they got."""
    leads_to: defaultdict[int, set[int]] = defaultdict(set)
    kept: set[int] = set()
    frontier, seen = set(seqs), set(seqs)
    while frontier:
        rows = transaction.rows(transaction.sql.awaiting, (transaction.pack(sorted(frontier)),))
        frontier = set[int]()
        for source, target, live, is_join in rows:
            if live is not None:
                kept.add(source)
            elif is_join:
                leads_to[target].add(source)
                frontier.add(target)
        frontier -= seen
        seen |= frontier
    spreading = list(kept)
    while spreading:
        for source in leads_to[spreading.pop()] - kept:
            kept.add(source)
            spreading.append(source)
    return kept.intersection(seqs)

"""Removing records: those that were asked for, and those that are too old or too many."""

from __future__ import annotations

from collections.abc import Sequence

from treadle.brokers.redis.client import Client
from treadle.brokers.redis.settling import CHUNK

#: The final states, as the store spells them, in the order in which they are pruned.
_FINAL = ("f", "c", "s")
#: Steps in which one call looks at the records of a state. The next call goes on where it was.
_MOST_STEPS = 20


def delete(client: Client, ids: Sequence[str]) -> list[str]:
    """Remove jobs that are not running and that nobody needs; answers which."""
    left = list(dict.fromkeys(ids))
    gone: list[str] = []
    while left:
        done, removed = client.call("delete", *left[:CHUNK])
        gone += [id.decode() for id in removed]
        left = left[done:]
    return gone


def prune(client: Client, limit: int, max_count: int | None, max_ages_ms: Sequence[int | None]) -> int:
    """Remove final records that are too old or too many, and that nobody needs; answers how many."""
    limits = ["" if each is None else each for each in (max_count, *max_ages_ms)]
    removed = 0
    for state, max_age_ms in zip(_FINAL, limits[1:], strict=True):
        removed += _prune(client, state, limit - removed, limits[0], max_age_ms)
    return removed


def _prune(client: Client, state: str, limit: int, max_count: int | str, max_age_ms: int | str) -> int:
    removed, is_second_round = 0, False
    for _ in range(_MOST_STEPS):
        if removed >= limit:
            break
        step, where = client.call("prune", state, limit - removed, max_count, max_age_ms)
        removed += step
        if where == b"none" or (where == b"first" and is_second_round):
            break
        is_second_round = is_second_round or where == b"first"
    return removed

"""Pages of records that match a filter, newest first. Changes nothing."""

from __future__ import annotations

from itertools import islice
from typing import Any

from treadle.brokers.redis.client import Client
from treadle.brokers.redis.lookup import get
from treadle.brokers.redis.records import LETTERS
from treadle.brokers.redis.settling import CHUNK
from treadle.brokers.redis.wire import Command
from treadle.exceptions import ConfigurationError
from treadle.interfaces import Filter, Page
from treadle.job import FINAL_STATES, Record, State

#: The most index entries one query looks at; what it found until then is the page.
_MAX_SCANNED = 10_000
#: A live state with no more jobs than this is collected whole, instead of searched for among all jobs.
_FEW = 5_000
#: The sorted sets, one a queue, in which the jobs of a state wait.
_WAITING: dict[State | None, tuple[str, ...]] = {"queued": ("q", "suspects"), "scheduled": ("delayed",)}


def query(client: Client, criteria: Filter, *, limit: int, cursor: str) -> Page:
    """One page of records that match."""
    ids = _few_ids(client, criteria)
    if ids is not None:
        return _page_of(client, criteria, ids, limit, cursor)
    return _search(client, criteria, limit, cursor)


def _few_ids(client: Client, criteria: Filter) -> list[str] | None:
    """Ids of all jobs in a live state, if they are few; None: search for them."""
    key = client.key
    count: list[Command]
    read: list[Command]
    if criteria.state == "running":
        leases = _texts(client.run([("ZRANGE", key("lease"), 0, -1)])[0])
        count = [("HLEN", key(f"held:{lease}")) for lease in leases]
        read = [("HKEYS", key(f"held:{lease}")) for lease in leases]
    elif criteria.state in _WAITING:
        queues = [criteria.queue] if criteria.queue else _texts(client.run([("SMEMBERS", key("queues"))])[0])
        places = [key(f"{kind}:{queue}") for kind in _WAITING[criteria.state] for queue in queues]
        count = [("ZCARD", place) for place in places]
        read = [("ZRANGE", place, 0, _FEW) for place in places]
    else:
        return None
    if sum(client.run(count)) > _FEW:
        return None
    return [job_id for ids in client.run(read) for job_id in _texts(ids)]


def _page_of(client: Client, criteria: Filter, ids: list[str], limit: int, cursor: str) -> Page:
    """A page out of few candidates: sorted here, looked up as far as needed."""
    commands: list[Command] = [("HGET", client.key(f"job:{job_id}"), "n") for job_id in ids]
    numbers = client.run(commands)
    before = int(_read_cursor(cursor)[0] or 0) or float("inf")
    places = sorted(((int(n), job_id) for n, job_id in zip(numbers, ids, strict=True) if n), reverse=True)
    rest = iter([place for place in places if place[0] < before])
    found: list[tuple[int, Record]] = []
    while len(found) <= limit and (chunk := list(islice(rest, CHUNK))):
        records = get(client, [job_id for _, job_id in chunk])
        found += [
            (n, records[job_id]) for n, job_id in chunk if job_id in records and _matches(records[job_id], criteria)
        ]
    records_found = [record for _, record in found[:limit]]
    is_last = len(found) <= limit
    return Page(records_found, "" if is_last else f"{found[limit - 1][0]} {found[limit - 1][1].id}")


def _search(client: Client, criteria: Filter, limit: int, cursor: str) -> Page:
    """A page out of an index of many: all jobs, or those of one final state."""
    wanted = _to_patterns(criteria)
    index = f"final:{LETTERS[criteria.state]}" if criteria.state in FINAL_STATES else "all"
    score, last_id = _read_cursor(cursor)
    records: list[Record] = []
    scanned = 0
    while scanned < _MAX_SCANNED:
        step = min(CHUNK, limit - len(records)) if scanned < CHUNK else CHUNK
        score, last_id, found = client.call("find", index, score, last_id, step, *wanted)
        scanned += step
        known = get(client, [job_id.decode() for job_id in found])
        matching = [record for record in known.values() if _matches(record, criteria)]
        room = limit - len(records)
        records += matching[:room]
        if len(matching) > room:
            return Page(records, _cursor_after(client, index, records[-1].id))
        if not score or len(records) == limit:
            break
    return Page(records, f"{score.decode()} {last_id.decode()}" if score else "")


def _to_patterns(criteria: Filter) -> list[str]:
    """The filter as the script reads it: `=value`, or nothing for any."""
    state = None if criteria.state is None else LETTERS[criteria.state]
    values = (state, criteria.queue, criteria.task, criteria.reason)
    return ["" if value is None else f"={value}" for value in values]


def _matches(record: Record, criteria: Filter) -> bool:
    return (
        criteria.state in {None, record.state}
        and criteria.queue in {None, record.queue}
        and criteria.task in {None, record.task}
        and criteria.reason in {None, record.reason}
    )


def _read_cursor(cursor: str) -> tuple[Any, Any]:
    if not cursor:
        return "", ""
    score, separator, last_id = cursor.partition(" ")
    if not (separator and score.isdecimal()):
        raise ConfigurationError(f"{cursor!r} is no cursor; pass on the `next_cursor` of the page before, unchanged")
    return score, last_id


def _cursor_after(client: Client, index: str, job_id: str) -> str:
    score = client.run([("ZSCORE", client.key(index), job_id)])[0]
    return f"{(score or b'0').decode()} {job_id}"


def _texts(found: list[bytes]) -> list[str]:
    return [text.decode() for text in found]

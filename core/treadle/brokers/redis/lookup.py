"""Reading the store: records by id, and numbers. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from treadle.brokers.redis.client import Client
from treadle.brokers.redis.records import FIELDS, LETTERS, to_record
from treadle.brokers.redis.settling import CHUNK
from treadle.interfaces import Counts, QueueCounts
from treadle.job import FINAL_STATES, Record, State


def get(client: Client, ids: Sequence[str]) -> dict[str, Record]:
    """The records of those of `ids` that are known."""
    unique = list(dict.fromkeys(ids))
    records: dict[str, Record] = {}
    for at in range(0, len(unique), CHUNK):
        chunk = unique[at : at + CHUNK]
        rows = client.run([("HMGET", client.key(f"job:{job_id}"), *FIELDS) for job_id in chunk])
        for job_id, fields in zip(chunk, rows, strict=True):
            record = to_record(job_id, fields)
            if record is not None:
                records[job_id] = record
    return records


def counts(client: Client) -> Counts:
    """Numbers by queue and state. What runs is counted right after the rest, not in the same instant."""
    key = client.key
    rows = client.call("counts")
    finals = client.run([("ZCARD", key(f"final:{LETTERS[state]}")) for state in FINAL_STATES])
    stale, leases = client.run([("HGET", key("stats"), "stale_acks"), ("ZRANGE", key("lease"), 0, -1, "WITHSCORES")])
    ids = [lease.decode() for lease in leases[::2]]
    held = client.run([("HVALS", key(f"held:{lease}")) for lease in ids])
    running = Counter(queue for queues in held for queue in queues)
    queues = {
        rows[at].decode(): QueueCounts(
            queued=rows[at + 1],
            scheduled=rows[at + 2],
            running=running[rows[at]],
            paused=bool(rows[at + 3]),
            oldest_ms=rows[at + 4],
            blocked=rows[at + 5],
        )
        for at in range(0, len(rows), 6)
    }
    final: dict[State, int] = {state: count for state, count in zip(FINAL_STATES, finals, strict=True) if count}
    open_leases = tuple(lease for lease, expiry in zip(ids, leases[1::2], strict=True) if expiry != b"0")
    return Counts(queues, final, int(stale or 0), open_leases)

"""What PostgreSQL says in its own way: many rows as one array per column, and writes that answer what they wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: The clock of a statement: the same value wherever it stands in one, integer milliseconds of the Unix epoch.
NOW_MS: Final = "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS bigint)"

#: Parameters are array literals; through `text`, so that every driver hands them over as they are.
_OUTCOME_TYPES: Final = (
    "bigint", "smallint", "text", "integer", "integer", "integer", "integer", "text", "bytea", "bytea", "bytea",
    "bigint", "bigint",
)  # fmt: skip
#: The columns of the arrays that `publish` takes, in their order.
JOB_COLUMNS: Final = {
    "id": "text",
    "task": "text",
    "queue": "text",
    "priority": "smallint",
    "payload": "bytea",
    "options": "bytea",
    "delay_ms": "bigint",
    "eta_ms": "bigint",
    "ttl_ms": "bigint",
    "expires_ms": "bigint",
    "redeliver": "smallint",
}
_WAITING_COLUMNS: Final = {
    "state": "smallint",
    "due_ms": "bigint",
    "receipt": "integer",
    "settled": "integer",
    "attempt": "integer",
    "crashes": "integer",
    "suspect": "smallint",
    "verdict": "bytea",
    "verdict_reason": "text",
    "error": "bytea",
    "seq": "bigint",
}


def _unnest(types: Mapping[str, str]) -> str:
    """A table of parameters: an array for each column."""
    arrays = ", ".join(f"?::text::{kind}[]" for kind in types.values())
    return f"unnest({arrays}) AS given ({', '.join(types)})"


def _publish_one(
    *, priority: str, options: str, delay_ms: str, eta_ms: str, expires_ms: str, ttl_ms: str, redeliver: str
) -> str:
    """Stores one job, and answers a row if no other is queued beside it: then consumers may be asleep.

    When it is due and when it expires is as `publishing.due_ms` and `publishing.expires_ms` say.
    """
    return f"""
        WITH published AS (
            INSERT INTO {{job}} (id, task, queue, payload, priority, options, created_ms, due_ms, expires_ms, redeliver)
            SELECT ?, ?, ?, ?, {priority}, {options}, now_ms, greatest(now_ms + {delay_ms}, {eta_ms}, now_ms),
                   coalesce(least(nullif({expires_ms}, 0), now_ms + nullif({ttl_ms}, 0)), 0), {redeliver}
            FROM (SELECT {NOW_MS} AS now_ms) clock
            ON CONFLICT (id) DO NOTHING
            RETURNING seq, queue, priority, created_ms, due_ms, expires_ms),
        enlivened AS (
            INSERT INTO {{live}} (seq, queue, priority, state, due_ms, expires_ms)
            SELECT seq, queue, priority, CASE WHEN due_ms <= created_ms THEN {{QUEUED}} ELSE {{SCHEDULED}} END, due_ms,
                   expires_ms FROM published)
        SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {{live}} WHERE state = {{QUEUED}} AND queue = ?)"""


_NODE_COLUMNS: Final = {
    "id": "text",
    "task": "text",
    "queue": "text",
    "priority": "smallint",
    "payload": "bytea",
    "options": "bytea",
    "created_ms": "bigint",
    "due_ms": "bigint",
    "expires_ms": "bigint",
    "redeliver": "smallint",
    "workflow": "text",
    "need": "integer",
    "spare": "integer",
    "is_join": "smallint",
    "delay_ms": "bigint",
    "ttl_ms": "bigint",
}
_LIVE_NODE_COLUMNS: Final = {
    "seq": "bigint",
    "queue": "text",
    "priority": "smallint",
    "state": "smallint",
    "due_ms": "bigint",
    "expires_ms": "bigint",
    "need": "integer",
    "spare": "integer",
    "leads": "smallint",
    "is_join": "smallint",
}
_EDGE_COLUMNS: Final = {
    "source": "bigint",
    "target": "bigint",
    "place": "bigint",
    "what": "smallint",
    "told": "smallint",
}


def _insert(table: str, types: Mapping[str, str]) -> str:
    names = ", ".join(types)
    return f"INSERT INTO {{{table}}} ({names}) SELECT {names} FROM {_unnest(types)}"


#: What `many` is called with: an array for each column.
WORKFLOW_TEXTS: Final[Mapping[str, str]] = {
    "insert_node": _insert("job", _NODE_COLUMNS),
    "enliven_node": _insert("live", _LIVE_NODE_COLUMNS),
    "insert_edge": _insert("edge", _EDGE_COLUMNS),
    "owe": _insert("owed", {"seq": "bigint"}),
    "tell_one": f"""
        UPDATE {{edge}} e SET told = 1
        FROM {_unnest({"source": "bigint", "target": "bigint", "place": "bigint"})}
        WHERE e.source = given.source AND e.told = 0 AND e.target = given.target AND e.place = given.place""",
    "set_standing": f"""
        UPDATE {{live}} l SET need = given.need, spare = given.spare
        FROM {_unnest({"need": "integer", "spare": "integer", "seq": "bigint"})} WHERE l.seq = given.seq""",
    "free": f"""
        UPDATE {{live}} l SET state = given.state, due_ms = given.due_ms, expires_ms = given.expires_ms, need = 0
        FROM {_unnest({"state": "smallint", "due_ms": "bigint", "expires_ms": "bigint", "seq": "bigint"})}
        WHERE l.seq = given.seq""",
}

TEXTS: Final[Mapping[str, str]] = {
    "publish_one": _publish_one(
        priority="?",
        options="?",
        delay_ms="?::bigint",
        eta_ms="?::bigint",
        expires_ms="?::bigint",
        ttl_ms="?::bigint",
        redeliver="?",
    ),
    "publish_usual": _publish_one(
        priority="0", options="''", delay_ms="0", eta_ms="0", expires_ms="0", ttl_ms="0", redeliver="1"
    ),
    # The same for many, with an array for each column; an empty one means that no job says anything of that kind.
    "publish": f"""
        WITH clock AS (SELECT {NOW_MS} AS now_ms),
        given AS (SELECT * FROM {_unnest(JOB_COLUMNS)}),
        published AS (
            INSERT INTO {{job}} (id, task, queue, priority, payload, options, created_ms, due_ms, expires_ms, redeliver)
            SELECT id, task, queue, coalesce(priority, 0), payload, coalesce(options, ''), now_ms,
                   greatest(now_ms + delay_ms, eta_ms, now_ms),
                   coalesce(least(nullif(expires_ms, 0), now_ms + nullif(ttl_ms, 0)), 0), coalesce(redeliver, 1)
            FROM given CROSS JOIN clock
            ON CONFLICT (id) DO NOTHING
            RETURNING seq, queue, priority, created_ms, due_ms, expires_ms),
        enlivened AS (
            INSERT INTO {{live}} (seq, queue, priority, state, due_ms, expires_ms)
            SELECT seq, queue, priority, CASE WHEN due_ms <= created_ms THEN {{QUEUED}} ELSE {{SCHEDULED}} END, due_ms,
                   expires_ms FROM published)
        SELECT coalesce(bool_or(is_delayed OR NOT EXISTS (
            SELECT 1 FROM {{live}} l WHERE l.state = {{QUEUED}} AND l.queue = of_queue.queue)), false)
        FROM (SELECT queue, bool_or(delay_ms > 0 OR eta_ms > 0) AS is_delayed FROM given GROUP BY queue) of_queue""",
    "complete": f"""
        WITH ended AS (
            DELETE FROM {{live}} l USING {_unnest({"seq": "bigint", "receipt": "integer", "result": "bytea"})}
            WHERE l.seq = given.seq AND l.receipt = given.receipt AND l.state = {{RUNNING}} AND l.leads = 0
            RETURNING l.seq, l.attempt, l.crashes, l.receipt, l.lease, given.result, l.progress, l.started_ms)
        INSERT INTO {{outcome}} ({{OUTCOME}})
        SELECT seq, {{SUCCEEDED}}, '', attempt + 1, crashes, receipt, receipt, lease, result, NULL, progress,
               started_ms, ? FROM ended
        RETURNING seq, receipt""",
    "end": "INSERT INTO {outcome} ({OUTCOME}) SELECT * FROM unnest("
    + ", ".join(f"?::text::{kind}[]" for kind in _OUTCOME_TYPES)
    + ")",
    "put_back": f"""
        UPDATE {{live}} l SET {", ".join(f"{name} = given.{name}" for name in _WAITING_COLUMNS if name != "seq")}
        FROM {_unnest(_WAITING_COLUMNS)} WHERE l.seq = given.seq""",
    **WORKFLOW_TEXTS,
    "request_cancel": f"""
        UPDATE {{live}} l SET cancelling = given.degree
        FROM {_unnest({"degree": "smallint", "seq": "bigint", "below": "smallint"})}
        WHERE l.seq = given.seq AND l.cancelling < given.below""",
}

LOCKS: Final[Mapping[str, str]] = {
    "lock": "FOR UPDATE",
    "lock_live": "FOR UPDATE OF l",
    "lock_outcome": "FOR UPDATE OF o",
    "hold": "FOR SHARE",
    "free": "FOR UPDATE SKIP LOCKED",
    "free_live": "FOR UPDATE OF l SKIP LOCKED",
    "free_outcome": "FOR UPDATE OF o SKIP LOCKED",
}

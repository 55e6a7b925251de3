"""The statements, in the SQL that all our databases share, rendered once per broker.

`job` holds what was published: written once, but for a retry that changes it or a move. `live` is the
polled table: narrow rows, and only of jobs that are not final. `outcome` gets one row when a job ends.
"""

from __future__ import annotations

from typing import Any, Final

from treadle.brokers.sql.dialect import Dialect
from treadle.brokers.sql.rows import BLOCKED, QUEUED, RUNNING, SCHEDULED, SUCCEEDED
from treadle.brokers.sql.workflow_statements import WORKFLOW_TEXTS

_LIVE_COLUMNS = (
    "l.seq, l.state, l.receipt, l.settled, l.attempt, l.crashes, l.suspect, l.verdict, l.verdict_reason, "
    "l.error, l.progress, l.cancelling, l.lease, l.started_ms, l.need, l.spare, l.leads, l.is_join"
)

_LIVE_RECORDS = """
    SELECT l.seq AS seq, j.id, j.task, l.queue, l.priority, l.state, '', l.attempt, l.crashes, l.receipt, j.payload,
           j.options, NULL, l.error, l.progress, j.created_ms, l.due_ms, l.expires_ms, l.started_ms,
           0 AS finished_ms, l.lease, l.cancelling, j.workflow, j.is_join
    FROM {live} l JOIN {job} j ON j.seq = l.seq"""

_OUTCOME_RECORDS = """
    SELECT o.seq AS seq, j.id, j.task, j.queue, j.priority, o.state, o.reason, o.attempt, o.crashes, o.receipt,
           j.payload, j.options, o.result, o.error, o.progress, j.created_ms, 0, j.expires_ms, o.started_ms,
           o.finished_ms AS finished_ms, o.lease, 0, j.workflow, j.is_join
    FROM {outcome} o JOIN {job} j ON j.seq = o.seq"""

_SITUATION = """
    SELECT {now_ms},
           (SELECT expires_ms FROM {lease} WHERE id = ? LEASE_LOCK),
           (SELECT count(*) FROM {lease} WHERE expires_ms > {now_ms}),
           (SELECT min(due_ms) FROM {live} WHERE state = {SCHEDULED}),
           (SELECT count(*) FROM {queue} WHERE paused = 1),
           EXISTS (SELECT 1 FROM {live} WHERE state = {QUEUED} AND suspect = 1),
           EXISTS (SELECT 1 FROM {owed})"""

#: The words at the ends of queries that lock what they find, where rows can be locked one by one (`Dialect.locks`):
#: wait for whoever has them (`lock`), keep others from changing them (`hold`), or leave out what others have (`free`).
LOCK_WORDS: Final = ("lock", "lock_live", "lock_outcome", "hold", "free", "free_live", "free_outcome")

_TEXTS: Final = {
    # Claiming ------------------------------------------------------------------------------------------
    "situation": _SITUATION.replace("LEASE_LOCK", ""),
    "situation_held": _SITUATION.replace("LEASE_LOCK", "{hold}"),
    "paused": "SELECT name FROM {queue} WHERE paused = 1",
    "promote": """
        UPDATE {live} SET state = {QUEUED} WHERE seq IN (
            SELECT seq FROM {live} WHERE state = {SCHEDULED} AND due_ms <= ? ORDER BY due_ms LIMIT ? {free})""",
    "queued_up_to": """
        SELECT count(*) FROM (SELECT 1 FROM {live} WHERE state = {QUEUED} AND queue = ? LIMIT ?) AS bounded""",
    "is_queued": "SELECT 1 FROM {live} WHERE state = {QUEUED} AND queue = ? LIMIT 1",
    "candidates": """
        SELECT l.seq, j.id, j.task, j.payload, l.queue, l.priority, j.options, l.receipt, l.attempt, l.crashes,
               l.suspect, l.verdict, l.expires_ms
        FROM {live} l CROSS JOIN {job} j
        WHERE j.seq = l.seq AND l.state = {QUEUED} AND l.suspect = 0 AND l.queue = ?
        ORDER BY l.priority DESC, l.seq LIMIT ? {free_live}""",
    "suspects": """
        SELECT l.seq, j.id, j.task, j.payload, l.queue, l.priority, j.options, l.receipt, l.attempt, l.crashes,
               l.suspect, l.verdict, l.expires_ms
        FROM {live} l CROSS JOIN {job} j
        WHERE j.seq = l.seq AND l.state = {QUEUED} AND l.suspect = 1 AND l.queue {members}
        ORDER BY l.priority DESC, l.seq LIMIT ? {free_live}""",
    "take": """
        UPDATE {live} SET state = {RUNNING}, lease = ?, receipt = receipt + 1, started_ms = ? WHERE seq {members}""",
    # Settling ------------------------------------------------------------------------------------------
    "live_by_seq": "SELECT {LIVE} FROM {live} l WHERE l.seq {members} ORDER BY l.seq {lock}",
    "settled": """
        SELECT seq, settled FROM {live} WHERE seq {members} UNION ALL
        SELECT seq, settled FROM {outcome} WHERE seq {members}""",
    "end": "INSERT INTO {outcome} ({OUTCOME}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "leave_live": "DELETE FROM {live} WHERE seq {members}",
    "put_back": """
        UPDATE {live} SET state = ?, due_ms = ?, receipt = ?, settled = ?, attempt = ?, crashes = ?, suspect = ?,
               verdict = ?, verdict_reason = ?, error = ? WHERE seq = ?""",
    "rewrite_live": "UPDATE {live} SET queue = ?, priority = ? WHERE seq = ?",
    "job_texts": "SELECT payload, options, queue, priority FROM {job} WHERE seq = ?",
    "rewrite_job": "UPDATE {job} SET payload = ?, options = ?, queue = ?, priority = ? WHERE seq = ?",
    "note": "UPDATE {live} SET progress = ? WHERE seq = ? AND state = {RUNNING} AND receipt = ?",
    # Leases --------------------------------------------------------------------------------------------
    "lease_count": "SELECT count(*) FROM {lease}",
    "leases": "SELECT id FROM {lease} ORDER BY id",
    "leases_among": "SELECT id FROM {lease} WHERE expires_ms > 0 AND id {members}",
    "open_lease": "INSERT INTO {lease} (id, expires_ms) VALUES (?, ?)",
    "extend_leases": "UPDATE {lease} SET expires_ms = ? WHERE expires_ms > 0 AND id {members}",
    "overdue_leases": "SELECT id FROM {lease} WHERE expires_ms <= ? ORDER BY expires_ms {free}",
    "missing_leases": """
        SELECT DISTINCT l.lease FROM {live} l
        WHERE l.state = {RUNNING} AND NOT EXISTS (SELECT 1 FROM {lease} o WHERE o.id = l.lease)""",
    "lock_lease": "SELECT expires_ms FROM {lease} WHERE id = ? {lock}",
    # An expiry of 0 says that the lease is being reaped: nobody can extend it any more.
    "doom_lease": "UPDATE {lease} SET expires_ms = 0 WHERE id = ?",
    "close_lease": "DELETE FROM {lease} WHERE id = ?",
    "held": """
        SELECT {LIVE}, j.id, j.redeliver FROM {live} l JOIN {job} j ON j.seq = l.seq
        WHERE l.state = {RUNNING} AND l.lease = ? ORDER BY l.seq LIMIT ? {lock_live}""",
    "cancel_requests": """
        SELECT j.id, l.receipt, l.cancelling FROM {live} l JOIN {job} j ON j.seq = l.seq
        WHERE l.state = {RUNNING} AND l.lease = ? AND l.cancelling > 0""",
    # Changing jobs from outside ------------------------------------------------------------------------
    "live_by_id": """
        SELECT {LIVE}, j.id, j.redeliver FROM {job} j JOIN {live} l ON l.seq = j.seq
        WHERE j.id {members} ORDER BY l.seq {lock_live}""",
    "ended_by_id": """
        SELECT j.seq, j.id, o.state, j.is_join FROM {job} j JOIN {outcome} o ON o.seq = j.seq
        WHERE j.id {members} ORDER BY o.seq {lock_outcome}""",
    "known": "SELECT id FROM {job} WHERE id {members}",
    "request_cancel": "UPDATE {live} SET cancelling = ? WHERE seq = ? AND cancelling < ?",
    "revive": """
        INSERT INTO {live} (seq, queue, priority, state, due_ms, expires_ms, receipt, settled, lease, started_ms)
        SELECT j.seq, j.queue, j.priority, {QUEUED}, ?, CASE WHEN j.expires_ms > ? THEN j.expires_ms ELSE 0 END,
               o.receipt, o.settled, o.lease, o.started_ms
        FROM {outcome} o JOIN {job} j ON j.seq = o.seq WHERE o.seq {members}""",
    "hasten": "UPDATE {live} SET state = {QUEUED}, due_ms = ? WHERE seq {members}",
    "forget_outcomes": "DELETE FROM {outcome} WHERE seq {members}",
    "forget_jobs": "DELETE FROM {job} WHERE seq {members}",
    # Queues --------------------------------------------------------------------------------------------
    "pause_known": "UPDATE {queue} SET paused = ? WHERE name = ?",
    "pause_new": "INSERT INTO {queue} (name, paused) VALUES (?, ?)",
    "queued_in": "SELECT seq, leads FROM {live} WHERE state = {QUEUED} AND queue = ? LIMIT ? {lock}",
    "scheduled_in": "SELECT seq, leads FROM {live} WHERE state = {SCHEDULED} AND queue = ? LIMIT ? {lock}",
    "move_live": "UPDATE {live} SET queue = ? WHERE seq {members}",
    "move_jobs": "UPDATE {job} SET queue = ? WHERE seq {members}",
    # Looking -------------------------------------------------------------------------------------------
    "records_by_id": _LIVE_RECORDS + " WHERE j.id {members} UNION ALL" + _OUTCOME_RECORDS + " WHERE j.id {members}",
    "pending_among": "SELECT j.id FROM {job} j JOIN {live} l ON l.seq = j.seq WHERE j.id {members}",
    "query_live": _LIVE_RECORDS + " WHERE l.seq < ? {filters} ORDER BY l.seq DESC LIMIT ?",
    "query_final": _OUTCOME_RECORDS
    + " WHERE o.state = ? AND (o.finished_ms, o.seq) < (?, ?) {filters}"
    + " ORDER BY o.finished_ms DESC, o.seq DESC LIMIT ?",
    "query_ended": _OUTCOME_RECORDS + " WHERE o.seq < ? {filters} ORDER BY o.seq DESC LIMIT ?",
    "count_queued": "SELECT queue, count(*), min(seq) FROM {live} WHERE state = {QUEUED} GROUP BY queue",
    "count_scheduled": "SELECT queue, count(*) FROM {live} WHERE state = {SCHEDULED} GROUP BY queue",
    "count_blocked": "SELECT queue, count(*) FROM {live} WHERE state = {BLOCKED} AND is_join = 0 GROUP BY queue",
    "count_running": "SELECT queue, count(*) FROM {live} WHERE state = {RUNNING} GROUP BY queue",
    "due_by_seq": "SELECT seq, due_ms FROM {live} WHERE seq {members}",
    "count_final": "SELECT state, count(*) FROM {outcome} GROUP BY state",
    # Retention -----------------------------------------------------------------------------------------
    "ended_before": """
        SELECT o.seq FROM {outcome} o WHERE o.state = ? AND o.finished_ms < ? AND {UNAWAITED}
        ORDER BY o.finished_ms, o.seq LIMIT ? {free_outcome}""",
    "count_outcomes": "SELECT count(*) FROM {outcome} WHERE state = ?",
    "oldest_outcomes": """
        SELECT o.seq FROM {outcome} o WHERE o.state = ? AND {UNAWAITED}
        ORDER BY o.finished_ms, o.seq LIMIT ? {free_outcome}""",
    # Facts about the store -----------------------------------------------------------------------------
    "fact": "SELECT value FROM {meta} WHERE name = ?",
    "raise_fact": "UPDATE {meta} SET value = value + ? WHERE name = ?",
    "set_fact": "UPDATE {meta} SET value = ? WHERE name = ?",
    "now": "SELECT {now_ms}",
}

_OUTCOME_COLUMNS = (
    "seq, state, reason, attempt, crashes, receipt, settled, lease, result, error, progress, started_ms, finished_ms"
)

TABLES = ("job", "live", "outcome", "lease", "queue", "meta", "edge", "owed")

#: No job that has not ended waits for it; what joins hold on to is looked for apart.
_UNAWAITED = """NOT EXISTS (SELECT 1 FROM {edge} e JOIN {live} l ON l.seq = e.target WHERE e.source = o.seq)"""


class Statements:
    """The statements of one broker, as attributes: `sql.take`, `sql.end` ..."""

    def __init__(self, dialect: Dialect) -> None:
        words: dict[str, Any] = {table: dialect.prefix + table for table in TABLES}
        words |= {"SCHEDULED": SCHEDULED, "QUEUED": QUEUED, "RUNNING": RUNNING, "BLOCKED": BLOCKED}
        words |= {"SUCCEEDED": SUCCEEDED, "UNAWAITED": _UNAWAITED.format(**words)}
        words |= {"LIVE": _LIVE_COLUMNS, "OUTCOME": _OUTCOME_COLUMNS, "filters": "{filters}"}
        words |= {"now_ms": dialect.now_ms, "members": dialect.members}
        words |= {word: dialect.locks.get(word, "") for word in LOCK_WORDS}
        texts = {**_TEXTS, **WORKFLOW_TEXTS, **dialect.texts}
        self._texts = {name: " ".join(text.format(**words).split()) for name, text in texts.items()}
        vars(self).update(self._texts)

    def __getattr__(self, name: str) -> str:
        raise AttributeError(f"no statement is called {name!r}; there are {', '.join(sorted(self._texts))}")

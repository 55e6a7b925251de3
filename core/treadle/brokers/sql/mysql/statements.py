"""What MySQL and MariaDB say in their own way: one text for both.

Whoever locks or writes rows says which index leads there: in a small table the optimizer would rather look at every
row, and wait for those that others have locked. `FOR UPDATE OF` is MySQL's alone, so a lock reaches every table of
its query, always in one order: live jobs or outcomes first, then what was published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: The clock of a statement: the same value wherever it stands in one, integer milliseconds of the Unix epoch. By way
#: of UTC, because local time has an hour that is there twice.
NOW_MS: Final = "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000"

LOCKS: Final[Mapping[str, str]] = {
    "lock": "FOR UPDATE",
    "hold": "LOCK IN SHARE MODE",
    "free": "FOR UPDATE SKIP LOCKED",
    "free_outcome": "FOR UPDATE SKIP LOCKED",
}

#: Compared byte by byte, and without padding: 'a' is not 'a '. What stands in these comments is read by MariaDB or
#: by MySQL alone. https://mariadb.com/kb/en/comment-syntax/
_BYTEWISE: Final = "CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */"

TYPES: Final[Mapping[str, str]] = {
    "sequence": "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
    "integer_key": "BIGINT NOT NULL PRIMARY KEY",
    "key": f"VARCHAR(255) {_BYTEWISE}",
    "blob": "LONGBLOB",
}

#: A limit keeps the optimizer from taking a derived table apart.
_ALL: Final = 2**63 - 1

_JOBS_BY_ID: Final = f"""
    (SELECT seq, id, redeliver, is_join FROM {{job}} FORCE INDEX (id) WHERE id {{members}} LIMIT {_ALL}) AS j"""


def _candidates(where: str) -> str:
    return f"""
        SELECT l.seq, j.id, j.task, j.payload, l.queue, l.priority, j.options, l.receipt, l.attempt, l.crashes,
               l.suspect, l.verdict, l.expires_ms
        FROM {{live}} AS l FORCE INDEX (live_queued) STRAIGHT_JOIN {{job}} AS j FORCE INDEX (PRIMARY) ON j.seq = l.seq
        WHERE l.state = {{QUEUED}} AND {where} ORDER BY l.urgency, l.seq LIMIT ? {{free}}"""


def _delete(table: str, column: str = "seq", index: str = "PRIMARY") -> str:
    # A DELETE takes no such hint, and looks at all rows of a table that is short; here it can only go row by row.
    return f"""
        DELETE gone FROM JSON_TABLE(JSON_ARRAY ?, '$[*]' COLUMNS (seq BIGINT PATH '$')) AS named
            STRAIGHT_JOIN {{{table}}} AS gone FORCE INDEX ({index}) ON gone.{column} = named.seq"""


TEXTS: Final[Mapping[str, str]] = {
    # Publishing ----------------------------------------------------------------------------------------
    # Not IGNORE, which would swallow other errors too.
    "insert": """
        INSERT INTO {job} (id, task, queue, priority, payload, options, created_ms, due_ms, expires_ms, redeliver)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE seq = seq""",
    # A job is in the one or the other of these tables from the moment that others can see it.
    "newborn": """
        SELECT j.seq, j.queue, j.priority, j.due_ms <= j.created_ms, j.due_ms, j.expires_ms
        FROM {job} j LEFT JOIN {live} l ON l.seq = j.seq LEFT JOIN {outcome} o ON o.seq = j.seq
        WHERE j.id IN ({{ids}}) AND l.seq IS NULL AND o.seq IS NULL""",
    "enliven": "INSERT INTO {live} (seq, queue, priority, state, due_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)",
    # Claiming ------------------------------------------------------------------------------------------
    "promote": """
        UPDATE (SELECT seq FROM {live} FORCE INDEX (live_scheduled) WHERE state = {SCHEDULED} AND due_ms <= ?
                ORDER BY due_ms LIMIT ? {free}) AS due
               STRAIGHT_JOIN {live} AS l ON l.seq = due.seq
        SET l.state = {QUEUED}""",
    "queued_up_to": """
        SELECT count(*) FROM
            (SELECT 1 FROM {live} WHERE state = {QUEUED} AND suspect IN (0, 1) AND queue = ? LIMIT ?) AS bounded""",
    "is_queued": "SELECT 1 FROM {live} WHERE state = {QUEUED} AND suspect IN (0, 1) AND queue = ? LIMIT 1",
    # A suspect that appears only now is for `suspects` to find, next time.
    "candidates": _candidates("l.suspect = 0 AND l.queue = ?"),
    "suspects": _candidates("l.suspect = 1 AND l.queue {members}"),
    "take": """
        UPDATE {live} FORCE INDEX (PRIMARY)
        SET state = {RUNNING}, lease = ?, receipt = receipt + 1, started_ms = ? WHERE seq {members}""",
    # Settling ------------------------------------------------------------------------------------------
    "live_by_seq": """
        SELECT {LIVE} FROM {live} l FORCE INDEX (PRIMARY) WHERE l.seq {members} ORDER BY l.seq {lock}""",
    "leave_live": _delete("live"),
    # Leases --------------------------------------------------------------------------------------------
    "extend_leases": """
        UPDATE {lease} FORCE INDEX (PRIMARY) SET expires_ms = ? WHERE expires_ms > 0 AND id {members}""",
    "held": """
        SELECT {LIVE}, j.id, j.redeliver
        FROM {live} AS l FORCE INDEX (live_running) STRAIGHT_JOIN {job} AS j FORCE INDEX (PRIMARY) ON j.seq = l.seq
        WHERE l.state = {RUNNING} AND l.lease = ? ORDER BY l.seq LIMIT ? {lock}""",
    # Changing jobs from outside ------------------------------------------------------------------------
    "live_by_id": f"""
        SELECT {{LIVE}}, j.id, j.redeliver FROM {_JOBS_BY_ID}
        STRAIGHT_JOIN {{live}} l FORCE INDEX (PRIMARY) ON l.seq = j.seq {{lock}}""",
    "ended_by_id": f"""
        SELECT o.seq, j.id, o.state, j.is_join FROM {_JOBS_BY_ID}
        STRAIGHT_JOIN {{outcome}} o FORCE INDEX (PRIMARY) ON o.seq = j.seq {{lock}}""",
    "hasten": "UPDATE {live} FORCE INDEX (PRIMARY) SET state = {QUEUED}, due_ms = ? WHERE seq {members}",
    "forget_outcomes": _delete("outcome"),
    "forget_jobs": _delete("job"),
    # Workflows -----------------------------------------------------------------------------------------
    "tell_all": "UPDATE {edge} FORCE INDEX (PRIMARY) SET told = 1 WHERE source {members} AND told = 0",
    "untell": "UPDATE {edge} FORCE INDEX (PRIMARY) SET told = 0 WHERE source {members} AND told = 1",
    "hold_gates": "UPDATE {live} FORCE INDEX (PRIMARY) SET expires_ms = ? WHERE seq {members}",
    "lead_again": "UPDATE {live} FORCE INDEX (PRIMARY) SET leads = 1 WHERE seq {members}",
    "lead": "UPDATE {live} FORCE INDEX (PRIMARY) SET leads = 1 WHERE seq IN ({{ids}})",
    "live_among": "SELECT seq FROM {live} FORCE INDEX (PRIMARY) WHERE seq IN ({{ids}}) ORDER BY seq {lock}",
    "overdue_gates": """
        SELECT seq FROM {live} FORCE INDEX (live_gate)
        WHERE state = {BLOCKED} AND is_join = 1 AND expires_ms > 0 AND expires_ms <= ? LIMIT ? {free}""",
    "pay": _delete("owed"),
    "forget_out_edges": _delete("edge", "source"),
    "forget_in_edges": _delete("edge", "target", "edge_target"),
    "lost": """
        SELECT j.seq, j.id, o.reason, j.is_join, j.need, j.spare, j.expires_ms, o.receipt
        FROM {job} j FORCE INDEX (job_workflow) STRAIGHT_JOIN {outcome} o FORCE INDEX (PRIMARY) ON o.seq = j.seq
        WHERE j.workflow = ? AND o.state IN (5, 6) ORDER BY j.seq LIMIT ? {lock}""",
    # Queues --------------------------------------------------------------------------------------------
    "queued_in": """
        SELECT seq, leads FROM {live} FORCE INDEX (live_queued)
        WHERE state = {QUEUED} AND suspect IN (0, 1) AND queue = ? LIMIT ? {lock}""",
    "scheduled_in": """
        SELECT seq, leads FROM {live} FORCE INDEX (live_queued)
        WHERE state = {SCHEDULED} AND suspect IN (0, 1) AND queue = ? LIMIT ? {lock}""",
    "move_live": "UPDATE {live} FORCE INDEX (PRIMARY) SET queue = ? WHERE seq {members}",
    "move_jobs": "UPDATE {job} FORCE INDEX (PRIMARY) SET queue = ? WHERE seq {members}",
}

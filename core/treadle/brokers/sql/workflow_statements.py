"""The statements about jobs that wait for jobs. See `treadle.brokers.sql.statements`, which renders them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORKFLOW_TEXTS: Final[Mapping[str, str]] = {
    # Publishing ----------------------------------------------------------------------------------------
    # Spelled out where `{{ids}}` stands, because a caller's driver may know no lists.
    "seqs_by_id": "SELECT id, seq FROM {job} WHERE id IN ({{ids}})",
    "insert_node": """
        INSERT INTO {job} (id, task, queue, priority, payload, options, created_ms, due_ms, expires_ms, redeliver,
                           workflow, need, spare, is_join, delay_ms, ttl_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
    "enliven_node": """
        INSERT INTO {live} (seq, queue, priority, state, due_ms, expires_ms, need, spare, leads, is_join)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
    "insert_edge": "INSERT INTO {edge} (source, target, place, what, told) VALUES (?, ?, ?, ?, ?)",
    "grow": "UPDATE {live} SET need = need + ? WHERE seq = ? AND state = {BLOCKED}",
    "grow_first": "UPDATE {job} SET need = need + ? WHERE seq = ?",
    "live_among": "SELECT seq FROM {live} WHERE seq IN ({{ids}}) ORDER BY seq {lock}",
    "lead": "UPDATE {live} SET leads = 1 WHERE seq IN ({{ids}})",
    "ends_among": "SELECT seq, state, reason, error FROM {outcome} WHERE seq IN ({{ids}}) {hold}",
    # Telling -------------------------------------------------------------------------------------------
    "untold": """
        SELECT source, target, place, what FROM {edge} WHERE source {members} AND told = 0
        ORDER BY source, target, place LIMIT ?""",
    "tell_all": "UPDATE {edge} SET told = 1 WHERE source {members} AND told = 0",
    "tell_one": "UPDATE {edge} SET told = 1 WHERE source = ? AND told = 0 AND target = ? AND place = ?",
    "set_standing": "UPDATE {live} SET need = ?, spare = ? WHERE seq = ?",
    "free": "UPDATE {live} SET state = ?, due_ms = ?, expires_ms = ?, need = 0 WHERE seq = ?",
    "terms": "SELECT seq, delay_ms, due_ms, ttl_ms, expires_ms FROM {job} WHERE seq {members}",
    "owe": "INSERT INTO {owed} (seq) VALUES (?)",
    "owed_among": "SELECT seq FROM {owed} WHERE seq {members}",
    "next_owed": "SELECT seq FROM {owed} ORDER BY seq LIMIT ? {free}",
    "pay": "DELETE FROM {owed} WHERE seq {members}",
    "ends_by_seq": "SELECT seq, state, reason, error FROM {outcome} WHERE seq {members}",
    # Gates ---------------------------------------------------------------------------------------------
    "hold_gates": "UPDATE {live} SET expires_ms = ? WHERE seq {members}",
    "overdue_gates": """
        SELECT seq FROM {live} WHERE state = {BLOCKED} AND is_join = 1 AND expires_ms > 0 AND expires_ms <= ?
        LIMIT ? {free}""",
    "payloads": "SELECT seq, payload FROM {job} WHERE seq {members}",
    # Replacing -----------------------------------------------------------------------------------------
    "become_join": "UPDATE {live} SET is_join = 2, need = 1, spare = 0 WHERE seq = ?",
    # A job of no workflow begins one by it.
    "became_join": """
        UPDATE {job} SET is_join = 2, need = 1, spare = 0, workflow = coalesce(workflow, id) WHERE seq = ?""",
    # Looking -------------------------------------------------------------------------------------------
    "inputs": """
        SELECT s.id, e.place, o.state, o.reason, o.result, o.error, s.is_join, s.options
        FROM {job} t JOIN {edge} e ON e.target = t.seq JOIN {job} s ON s.seq = e.source
        JOIN {outcome} o ON o.seq = e.source
        WHERE t.id = ? AND e.place > ? ORDER BY e.place, e.source LIMIT ?""",
    "nodes": """
        SELECT j.seq, j.id, j.task, coalesce(l.state, o.state), o.reason, j.is_join, l.need, l.spare
        FROM {job} j LEFT JOIN {live} l ON l.seq = j.seq LEFT JOIN {outcome} o ON o.seq = j.seq
        WHERE j.workflow = ? AND j.seq > ? ORDER BY j.seq LIMIT ?""",
    "edges_of": """
        SELECT e.source, t.id, e.place, e.what FROM {edge} e JOIN {job} t ON t.seq = e.target
        WHERE e.source {members} ORDER BY e.source, e.place""",
    "progress": """
        SELECT state, count(*) FROM (
            SELECT coalesce(l.state, o.state) AS state
            FROM {job} j LEFT JOIN {live} l ON l.seq = j.seq LEFT JOIN {outcome} o ON o.seq = j.seq
            WHERE j.workflow = ? AND j.is_join <> 1) AS states
        WHERE state IS NOT NULL GROUP BY state""",
    # Keeping -------------------------------------------------------------------------------------------
    "awaiting": """
        SELECT e.source, e.target, l.seq, j.is_join FROM {edge} e JOIN {job} j ON j.seq = e.target
        LEFT JOIN {live} l ON l.seq = e.target WHERE e.source {members}""",
    "forget_out_edges": "DELETE FROM {edge} WHERE source {members}",
    "forget_in_edges": "DELETE FROM {edge} WHERE target {members}",
    # Again ---------------------------------------------------------------------------------------------
    "lost": """
        SELECT j.seq, j.id, o.reason, j.is_join, j.need, j.spare, j.expires_ms, o.receipt
        FROM {job} j JOIN {outcome} o ON o.seq = j.seq
        WHERE j.workflow = ? AND o.state IN (5, 6) ORDER BY o.seq LIMIT ? {lock_outcome}""",
    "block_again": """
        INSERT INTO {live} (seq, queue, priority, state, due_ms, expires_ms, receipt, settled, need, spare, leads,
                            is_join)
        SELECT j.seq, j.queue, j.priority, {BLOCKED}, j.due_ms, 0, o.receipt, o.settled, j.need, j.spare, 1, j.is_join
        FROM {outcome} o JOIN {job} j ON j.seq = o.seq WHERE o.seq {members}""",
    "lead_again": "UPDATE {live} SET leads = 1 WHERE seq {members}",
    "untell": "UPDATE {edge} SET told = 0 WHERE source {members} AND told = 1",
    "told_to": """
        SELECT e.source, e.target, e.place, e.what, o.state, o.reason, o.error
        FROM {edge} e JOIN {outcome} o ON o.seq = e.source WHERE e.target {members} AND e.told = 1""",
}

"""Looking: records, pages of them, and the truth in numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from treadle.brokers.sql.dialect import Dialect
from treadle.brokers.sql.executor import Executor, Row
from treadle.brokers.sql.rows import EDGE_NAMES, STATE_CODES, STATE_NAMES, record
from treadle.brokers.sql.statements import Statements
from treadle.edges import Edge, Input
from treadle.exceptions import ConfigurationError
from treadle.interfaces import Counts, Filter, Node, NodePage, Page, QueueCounts
from treadle.job import FINAL_STATES, Record, State

#: Larger than any sequence number or time: where the newest page begins.
_NEWEST: Final = 2**62
#: Ids per statement.
_CHUNK: Final = 5000


class Lookout:
    """Reads one database."""

    def __init__(self, dialect: Dialect, sql: Statements) -> None:
        self._pack = dialect.pack
        self._sql = sql

    def get(self, executor: Executor, ids: Sequence[str]) -> dict[str, Record]:
        """The records of those of `ids` that are known."""
        found: dict[str, Record] = {}
        for start in range(0, len(ids), _CHUNK):
            packed = self._pack(ids[start : start + _CHUNK])
            found |= {row[1]: record(row) for row in executor.rows(self._sql.records_by_id, (packed, packed))}
        return found

    def pending(self, executor: Executor, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are known and not final."""
        found: set[str] = set()
        for start in range(0, len(ids), _CHUNK):
            packed = self._pack(ids[start : start + _CHUNK])
            found |= {id_ for (id_,) in executor.rows(self._sql.pending_among, (packed,))}
        return found

    def query(self, executor: Executor, criteria: Filter, limit: int, cursor: str) -> Page:
        """One page of records, newest first."""
        rows = self._page(executor, criteria, max(limit, 1) + 1, read_cursor(cursor))
        records = [record(row) for row in rows[:limit]]
        if len(rows) <= limit:
            return Page(records)
        last_seq = rows[limit - 1][0]
        return Page(records, next_cursor=f"{records[-1].finished_ms}-{last_seq}")

    def counts(self, executor: Executor) -> Counts:
        """Numbers by queue and state, read from indexes."""
        sql = self._sql
        queued = {name: (count, seq) for name, count, seq in executor.rows(sql.count_queued)}
        scheduled: dict[str, int] = dict(executor.rows(sql.count_scheduled))
        running: dict[str, int] = dict(executor.rows(sql.count_running))
        blocked: dict[str, int] = dict(executor.rows(sql.count_blocked))
        paused = {name for (name,) in executor.rows(sql.paused)}
        due_ms: dict[int, int] = dict(executor.rows(sql.due_by_seq, (self._pack([seq for _, seq in queued.values()]),)))
        now_ms = executor.rows(sql.now)[0][0]
        queues = {
            name: QueueCounts(
                queued.get(name, (0, 0))[0],
                scheduled.get(name, 0),
                running.get(name, 0),
                name in paused,
                max(now_ms - due_ms[queued[name][1]], 0) if name in queued else 0,
                blocked.get(name, 0),
            )
            for name in sorted({*queued, *scheduled, *running, *blocked, *paused})
        }
        final: dict[State, int] = {STATE_NAMES[code]: count for code, count in executor.rows(sql.count_final)}
        leases = tuple(lease for (lease,) in executor.rows(sql.leases))
        return Counts(queues, final, executor.rows(sql.fact, ("stale_acks",))[0][0], leases)

    def inputs(self, executor: Executor, id: str, after: int, limit: int) -> list[Input]:
        """What became of the jobs that lead to this one, by their place."""
        return [
            Input(
                source,
                place,
                STATE_NAMES[state],
                reason,
                bytes(result or b""),
                bytes(error or b""),
                bool(is_join),
                bytes(options or b"") if is_join else b"",
            )
            for source, place, state, reason, result, error, is_join, options in executor.rows(
                self._sql.inputs, (id, after, limit)
            )
        ]

    def nodes(self, executor: Executor, workflow: str, limit: int, cursor: str) -> NodePage:
        """One page of the jobs of a workflow."""
        rows = executor.rows(self._sql.nodes, (workflow, int(cursor or 0), limit + 1))
        edges: defaultdict[int, list[Edge]] = defaultdict(list)
        packed = self._pack([row[0] for row in rows[:limit]])
        for source, target, place, what in executor.rows(self._sql.edges_of, (packed,)) if rows else ():
            edges[source].append(Edge(target, place, EDGE_NAMES[what]))
        nodes = [
            Node(id, task, STATE_NAMES[state], reason or "", bool(is_join), need or 0, spare or 0, tuple(edges[seq]))
            for seq, id, task, state, reason, is_join, need, spare in rows[:limit]
            if state is not None
        ]
        return NodePage(nodes, str(rows[limit - 1][0]) if len(rows) > limit else "")

    def progress(self, executor: Executor, workflow: str) -> dict[State, int]:
        """How many jobs of a workflow are in each state."""
        return {STATE_NAMES[state]: count for state, count in executor.rows(self._sql.progress, (workflow,))}

    def _page(self, executor: Executor, criteria: Filter, limit: int, before: tuple[int, int]) -> list[Row]:
        finished_ms, seq = before
        if criteria.state in FINAL_STATES:
            filters, values = _conditions(criteria, {"queue": "j.queue", "task": "j.task", "reason": "o.reason"})
            parameters = (STATE_CODES[criteria.state], finished_ms, seq, *values, limit)
            return executor.rows(self._sql.query_final.format(filters=filters), parameters)
        live: list[Row] = []
        if criteria.reason is None:
            live_names = {"queue": "l.queue", "task": "j.task", "state": "l.state"}
            filters, values = _conditions(criteria, live_names)
            live = executor.rows(self._sql.query_live.format(filters=filters), (seq, *values, limit))
        if criteria.state is not None:
            return live
        filters, values = _conditions(criteria, {"queue": "j.queue", "task": "j.task", "reason": "o.reason"})
        final = executor.rows(self._sql.query_ended.format(filters=filters), (seq, *values, limit))
        return sorted([*live, *final], key=lambda row: -int(row[0]))[:limit]


def read_cursor(cursor: str) -> tuple[int, int]:
    """The time and sequence number after which a page begins. Raises ConfigurationError for other texts."""
    if not cursor:
        return _NEWEST, _NEWEST
    finished_ms, _, seq = cursor.partition("-")
    if not (finished_ms.isdecimal() and seq.isdecimal()):
        raise ConfigurationError(f"{cursor!r} is no cursor: pass the next_cursor of the page before")
    return int(finished_ms), int(seq)


def _conditions(criteria: Filter, columns: dict[str, str]) -> tuple[str, list[Any]]:
    """More conditions of a WHERE clause, and their parameters. Column names are ours, never the caller's."""
    values: list[Any] = []
    text = ""
    for name, column in columns.items():
        value = getattr(criteria, name)
        if value is not None:
            text += f" AND {column} = ?"
            values.append(STATE_CODES[value] if name == "state" else value)
    return text, values

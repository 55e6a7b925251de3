"""Publishing workflows: jobs that wait become rows, and what leads from one to another becomes edges."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from treadle.brokers.sql import telling
from treadle.brokers.sql.executor import Row
from treadle.brokers.sql.publishing import due_ms, expires_ms
from treadle.brokers.sql.rows import BLOCKED, EDGE_CODES, JOIN, QUEUED, SCHEDULED, SUCCEEDED, Live, Outcome, ended
from treadle.brokers.sql.store import Transaction
from treadle.edges import After, Edge
from treadle.exceptions import ConfigurationError
from treadle.job import Job

#: Ids or numbers that one statement spells out.
_MOST_NAMES = 500

EdgeRow = tuple[int, int, int, int, int]


def publish(transaction: Transaction, jobs: Sequence[Job]) -> None:
    """Store those of the jobs whose id is unknown, and their edges. Raises ConfigurationError before any is stored."""
    named = [name for job in jobs for name in _named(job)]
    known = seqs_of(transaction, [*(job.id for job in jobs), *named])
    new = list({job.id: job for job in reversed(jobs) if job.id not in known}.values())[::-1]
    _require_known(jobs, known)
    _insert(transaction, new)
    seqs = known | seqs_of(transaction, [job.id for job in new])
    _insert_live(transaction, new, seqs)
    _draw_edges(transaction, new, seqs)
    waiting = defaultdict(list, {seqs[job.id]: list(job.after) for job in new if job.after})
    for source, edge in _not_drawn(transaction, [job for job in jobs if job.id in known and job.edges], seqs):
        _grow(transaction, Counter([seqs[edge.target]] if edge.grows else ()))
        waiting[seqs[edge.target]].append(After(source, edge.place, edge.on))
    lead_from(transaction, waiting, seqs)
    transaction.rings_consumers = True


def seqs_of(transaction: Transaction, ids: Iterable[str]) -> dict[str, int]:
    """The sequence numbers of those of the ids that are known."""
    return dict(_spelled(transaction, transaction.sql.seqs_by_id, list(dict.fromkeys(ids))))


def lead_from(
    transaction: Transaction, waiting: Mapping[int, Sequence[After]], known: Mapping[str, int] | None = None
) -> None:
    """Draw edges from jobs that are known to these new targets, and count what of them has ended."""
    if not waiting:
        return
    sql = transaction.sql
    seqs = known or seqs_of(transaction, [each.source for after in waiting.values() for each in after])
    sources = sorted({seqs[each.source] for after in waiting.values() for each in after})
    # Locked: whoever ends one of them now tells of its edges, or has ended it before.
    live = {seq for (seq,) in _spelled(transaction, sql.live_among, sources)}
    ends = {
        seq: telling.End(*end)
        for seq, *end in _spelled(transaction, sql.ends_among, [seq for seq in sources if seq not in live])
    }
    edges = [
        (seqs[each.source], target, each.place, EDGE_CODES[each.on], int(seqs[each.source] in ends))
        for target, after in waiting.items()
        for each in after
    ]
    transaction.many(sql.insert_edge, edges)
    for some in _pieces(sorted(live)):
        transaction.run(sql.lead.format(ids=_marks(some)), some)
    told = [
        telling.Told(target, place, what, ends[source]) for source, target, place, what, is_told in edges if is_told
    ]
    over = telling.follow(transaction, told)
    if over:
        # They may lead to others that were stored before them.
        telling.tell_ends(transaction, over)


def _named(job: Job) -> Iterator[str]:
    yield from (edge.target for edge in job.edges)
    yield from (after.source for after in job.after)


def _require_known(jobs: Sequence[Job], known: Mapping[str, int]) -> None:
    seen = set(known)
    for job in jobs:
        for name in _named(job):
            if name not in seen:
                raise ConfigurationError(
                    f"job {job.id!r} leads to {name!r} or waits for it, which is not known: publish it first"
                )
        seen.add(job.id)


def _insert(transaction: Transaction, jobs: Sequence[Job]) -> None:
    now_ms = transaction.now_ms
    rows = [
        (
            job.id, job.task, job.queue, job.priority, job.payload, job.options, now_ms, max(job.eta_ms, now_ms),
            expires_ms(job, now_ms) if job.is_join or not job.need else job.expires_ms, int(job.redeliver),
            job.workflow or None, job.need, job.spare, JOIN if job.is_join else 0, job.delay_ms, job.ttl_ms,
        )
        for job in jobs
    ]  # fmt: skip
    for some in _pieces(rows):
        transaction.many(transaction.sql.insert_node, some)


def _insert_live(transaction: Transaction, jobs: Sequence[Job], seqs: Mapping[str, int]) -> None:
    now_ms = transaction.now_ms
    live: list[tuple[Any, ...]] = []
    done: list[Outcome] = []
    for job in jobs:
        seq, due = seqs[job.id], due_ms(job, now_ms)
        if job.is_join and job.need <= 0:
            done.append(ended(_blank(seq), SUCCEEDED, "", now_ms))
            continue
        is_blocked = job.need > 0
        ends = expires_ms(job, now_ms) if job.is_join or not is_blocked else job.expires_ms
        state = BLOCKED if is_blocked else QUEUED if due <= now_ms else SCHEDULED
        live.append(
            (
                seq,
                job.queue,
                job.priority,
                state,
                due,
                ends,
                job.need,
                job.spare,
                int(bool(job.edges)),
                int(job.is_join),
            )
        )
    for some in _pieces(live):
        transaction.many(transaction.sql.enliven_node, some)
    transaction.write_ends(done)


def _blank(seq: int) -> Live:
    """The row of a job that has never waited."""
    return Live(seq, BLOCKED, 0, 0, 0, 0, 0, None, None, None, None, 0, None, 0, 0, 0, 1, JOIN)


def _draw_edges(transaction: Transaction, jobs: Sequence[Job], seqs: Mapping[str, int]) -> None:
    """Draw the edges of new jobs to targets that are known. Joins that are done already tell theirs."""
    edges = [
        (seqs[job.id], seqs[edge.target], edge.place, EDGE_CODES[edge.on], 0) for job in jobs for edge in job.edges
    ]
    for some in _pieces(edges):
        transaction.many(transaction.sql.insert_edge, some)
    _grow(transaction, Counter(seqs[edge.target] for job in jobs for edge in job.edges if edge.grows))
    done = {seqs[job.id]: telling.End(SUCCEEDED, "", None) for job in jobs if job.is_join and job.need <= 0}
    if done:
        telling.tell_ends(transaction, done)


def _not_drawn(transaction: Transaction, jobs: Sequence[Job], seqs: Mapping[str, int]) -> Iterator[tuple[str, Edge]]:
    """The edges of jobs that were stored before, but those that were drawn then."""
    packed = transaction.pack(sorted({seqs[job.id] for job in jobs}))
    rows = transaction.rows(transaction.sql.edges_of, (packed,)) if jobs else ()
    drawn = {(source, target, place) for source, target, place, _ in rows}
    for job in jobs:
        for edge in job.edges:
            if (seqs[job.id], edge.target, edge.place) not in drawn:
                yield job.id, edge


def _grow(transaction: Transaction, targets: Mapping[int, int]) -> None:
    """Let targets that still wait need more."""
    for target, more in sorted(targets.items()):
        if transaction.run(transaction.sql.grow, (more, target)):
            transaction.run(transaction.sql.grow_first, (more, target))


def _spelled(transaction: Transaction, statement: str, names: Sequence[Any]) -> list[Row]:
    """The rows of a query that spells out what it looks for."""
    return [row for some in _pieces(names) for row in transaction.rows(statement.format(ids=_marks(some)), some)]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _pieces(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[at : at + _MOST_NAMES] for at in range(0, len(values), _MOST_NAMES))

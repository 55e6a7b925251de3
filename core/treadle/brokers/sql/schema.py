"""The tables and their history: numbered migrations, each applied once, in one transaction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from treadle.brokers.sql.dialect import Dialect
from treadle.brokers.sql.executor import Executor
from treadle.exceptions import ConfigurationError


class Migration(NamedTuple):
    """One step of the schema. A statement with `[WHERE ...]` is left out on databases without partial indexes.

    During an upgrade workers of two versions run beside each other: code works on the schema before its own, and a
    schema serves the code before it, down to the version it states under `serves`.
    """

    version: int
    summary: str
    statements: tuple[str, ...]
    #: What only some databases need, by the name of their dialect.
    special: Mapping[str, tuple[str, ...]] = {}


# Every job's row in `live` dies twice within moments, so a fifth of the table is always dead: waiting for a fixed
# number, and not for a share, keeps the index that claims walk short whatever the backlog (docs/adr/0011).
_VACUUM_OFTEN: Final = (
    """ALTER TABLE {p}live SET (
           autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
           autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000)""",
    """ALTER TABLE {p}lease SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200)""",
    """ALTER TABLE {p}meta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200)""",
)

# Without partial indexes the state leads; suspicion comes next, so that one index finds suspects, too. Older MariaDB
# ignores DESC, and would sort the whole queue at each claim: so larger priorities get smaller numbers.
_FULL_INDEXES: Final = (
    """ALTER TABLE {p}live ADD COLUMN urgency SMALLINT AS (-priority) STORED""",
    """CREATE INDEX {i}live_queued ON {p}live (state, suspect, queue, urgency, seq)""",
    """CREATE INDEX {i}live_scheduled ON {p}live (state, due_ms, queue)""",
    """CREATE INDEX {i}live_running ON {p}live (state, lease, queue)""",
    """CREATE INDEX {i}live_gate ON {p}live (state, is_join, expires_ms)""",
    """CREATE INDEX {i}job_workflow ON {p}job (workflow, seq)""",
)

MIGRATIONS = (
    Migration(
        1,
        "created the tables of jobs, outcomes, leases and queues",
        (
            """CREATE TABLE {p}meta (name {key} NOT NULL PRIMARY KEY, value BIGINT NOT NULL)""",
            """INSERT INTO {p}meta (name, value)
               VALUES ('schema_version', 0), ('stale_acks', 0), ('pulse_ms', 0), ('recover_after_ms', 0)""",
            """CREATE TABLE {p}lease (id {key} NOT NULL PRIMARY KEY, expires_ms BIGINT NOT NULL)""",
            """CREATE TABLE {p}queue (name {key} NOT NULL PRIMARY KEY, paused SMALLINT NOT NULL)""",
            # A sequence number must never be used twice: a late settlement names its job by it.
            """CREATE TABLE {p}job (
                   seq {sequence}, id {key} NOT NULL UNIQUE, task {key} NOT NULL, queue {key} NOT NULL,
                   priority SMALLINT NOT NULL, payload {blob} NOT NULL, options {blob} NOT NULL,
                   created_ms BIGINT NOT NULL, due_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL,
                   redeliver SMALLINT NOT NULL, workflow {key}, need INTEGER NOT NULL DEFAULT 0,
                   spare INTEGER NOT NULL DEFAULT 0, is_join SMALLINT NOT NULL DEFAULT 0,
                   delay_ms BIGINT NOT NULL DEFAULT 0, ttl_ms BIGINT NOT NULL DEFAULT 0)""",
            """CREATE INDEX {i}job_workflow ON {p}job (workflow, seq) [WHERE workflow IS NOT NULL]""",
            """CREATE TABLE {p}live (
                   seq {integer_key}, queue {key} NOT NULL, priority SMALLINT NOT NULL, state SMALLINT NOT NULL,
                   due_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, lease {key},
                   receipt INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0,
                   attempt INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0,
                   suspect SMALLINT NOT NULL DEFAULT 0, verdict {blob}, verdict_reason {key}, error {blob},
                   progress {blob}, cancelling SMALLINT NOT NULL DEFAULT 0, started_ms BIGINT NOT NULL DEFAULT 0,
                   need INTEGER NOT NULL DEFAULT 0, spare INTEGER NOT NULL DEFAULT 0,
                   leads SMALLINT NOT NULL DEFAULT 0, is_join SMALLINT NOT NULL DEFAULT 0)""",
            """CREATE INDEX {i}live_queued ON {p}live (queue, priority DESC, seq) [WHERE state = 1]""",
            """CREATE INDEX {i}live_suspect ON {p}live (queue) [WHERE state = 1 AND suspect = 1]""",
            # The queue is there for counts(), which then reads indexes only.
            """CREATE INDEX {i}live_scheduled ON {p}live (due_ms, queue) [WHERE state = 0]""",
            """CREATE INDEX {i}live_running ON {p}live (lease, queue) [WHERE state = 2]""",
            """CREATE INDEX {i}live_blocked ON {p}live (is_join, queue) [WHERE state = 3]""",
            """CREATE INDEX {i}live_gate ON {p}live (expires_ms) [WHERE state = 3 AND is_join = 1]""",
            # What leads from one job to another; and who has ended and has not told all of its targets yet.
            """CREATE TABLE {p}edge (
                   source BIGINT NOT NULL, target BIGINT NOT NULL, place BIGINT NOT NULL, what SMALLINT NOT NULL,
                   told SMALLINT NOT NULL, PRIMARY KEY (source, told, target, place))""",
            """CREATE INDEX {i}edge_target ON {p}edge (target, place, source)""",
            """CREATE TABLE {p}owed (seq {integer_key})""",
            """CREATE TABLE {p}outcome (
                   seq {integer_key}, state SMALLINT NOT NULL, reason {key} NOT NULL, attempt INTEGER NOT NULL,
                   crashes INTEGER NOT NULL, receipt INTEGER NOT NULL, settled INTEGER NOT NULL, lease {key},
                   result {blob}, error {blob}, progress {blob}, started_ms BIGINT NOT NULL,
                   finished_ms BIGINT NOT NULL)""",
            """CREATE INDEX {i}outcome_finished ON {p}outcome (state, finished_ms, seq)""",
        ),
        special={"mysql": _FULL_INDEXES},
    ),
    Migration(
        2,
        "set how the tables are vacuumed, and which versions they serve",
        ("INSERT INTO {p}meta (name, value) VALUES ('serves', 1)",),
        special={"postgres": _VACUUM_OFTEN},
    ),
)

LATEST: Final = MIGRATIONS[-1].version
#: This code works on schemas from here on; older ones must be migrated first.
OLDEST: Final = LATEST - 1


def installed_version(dialect: Dialect, executor: Executor) -> int:
    """The schema's version in the database, 0 if there is none. Raises ConfigurationError if it is too new."""
    if not dialect.has_table(executor, f"{dialect.prefix}meta"):
        return 0
    facts: dict[str, int] = dict(executor.rows(f"SELECT name, value FROM {dialect.prefix}meta"))
    version = facts.get("schema_version", 0)
    if facts.get("serves", version) > LATEST:
        message = (
            f"{dialect.safe_url} has Treadle's schema {version}, and this version of Treadle knows {LATEST} at most: "
            f"upgrade Treadle here to at least the version that made it"
        )
        raise ConfigurationError(message)
    return version


def require(dialect: Dialect, executor: Executor) -> None:
    """Raises ConfigurationError, with what to do, if this code cannot work on the schema that is there."""
    version = installed_version(dialect, executor)
    if not version:
        raise missing(dialect)
    if version < OLDEST:
        message = f"{dialect.safe_url} has Treadle's schema {version}, and this version of Treadle needs {OLDEST}: "
        raise ConfigurationError(message + "run `treadle migrate` (workers of the version before go on meanwhile)")


def missing(dialect: Dialect) -> ConfigurationError:
    """The error for a database without our tables."""
    return ConfigurationError(f"{dialect.safe_url} has no tables of Treadle (any more): run `treadle migrate`")


def upgrade(dialect: Dialect, executor: Executor, migration: Migration) -> bool:
    """Apply one migration inside the open transaction; False if somebody else already has."""
    dialect.lock_schema(executor)
    if installed_version(dialect, executor) >= migration.version:
        return False
    for statement in (*migration.statements, *migration.special.get(dialect.name, ())):
        if dialect.has_partial_indexes or "[WHERE" not in statement:
            executor.run(_render(dialect, statement))
    executor.run(f"UPDATE {dialect.prefix}meta SET value = ? WHERE name = 'schema_version'", (migration.version,))
    return True


def migrate(dialect: Dialect) -> list[str]:
    """Bring the database to the latest schema; answers what was done. Several processes may do it at once."""
    with dialect.reading() as executor:
        version = installed_version(dialect, executor)
    done: list[str] = []
    for migration in MIGRATIONS[version:]:
        with dialect.writing() as executor:
            if upgrade(dialect, executor, migration):
                done.append(f"schema {migration.version}: {migration.summary}")
    return done


def _render(dialect: Dialect, statement: str) -> str:
    text = re.sub(r"\[(WHERE [^]]*)\]", r"\1", statement)
    return text.format(p=dialect.prefix, i=dialect.index_prefix, **dialect.types)

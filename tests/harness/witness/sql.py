"""The witness of a database: a table of the test's own, which a trigger fills in the transaction that settles."""

from __future__ import annotations

from typing import Any

from tests.harness.stores import store_of
from tests.harness.witness.witness import Ending
from treadle.brokers.sql.rows import STATE_NAMES

_NOTE = "INSERT INTO {witness} (seq, state) VALUES (NEW.seq, NEW.state)"

#: By store. An outcome that is overwritten is a second one.
_TRIGGERS = {
    "sqlite": ("CREATE TRIGGER witness_{event} AFTER {event} ON {outcome} BEGIN {note}; END",),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {note}; RETURN NULL; END$$",
        "CREATE TRIGGER witness_{event} AFTER {event} ON {outcome} FOR EACH ROW EXECUTE FUNCTION witness()",
    ),
    "mariadb": ("CREATE TRIGGER witness_{event} AFTER {event} ON {outcome} FOR EACH ROW {note}",),
}


class SqlWitness:
    """A table beside the broker's."""

    def __init__(self, broker: Any) -> None:
        broker.migrate()
        self._dialect = broker._store.dialect
        # Named as one of the broker's own: SQLite's treats a file with other tables in it with more courtesy.
        self._table = self._dialect.prefix + "witness"
        outcome = self._dialect.prefix + "outcome"
        note = _NOTE.format(witness=self._table)
        with self._dialect.writing() as executor:
            executor.run(f"CREATE TABLE {self._table} (seq BIGINT NOT NULL, state SMALLINT NOT NULL)")
            for event in ("INSERT", "UPDATE"):
                for statement in _TRIGGERS[store_of(broker.safe_url)]:
                    executor.run(statement.format(event=event, outcome=outcome, note=note))

    def endings(self) -> list[Ending]:
        """All final outcomes that were written. Ask before retention removes the jobs."""
        job = self._dialect.prefix + "job"
        with self._dialect.reading() as executor:
            rows = executor.rows(f"SELECT j.id, w.state FROM {self._table} w JOIN {job} j ON j.seq = w.seq")
        return [Ending(job_id, STATE_NAMES[state]) for job_id, state in rows]

    def close(self) -> None:
        """Nothing is held."""

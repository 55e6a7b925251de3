"""How large a store is: its bytes, what it holds, and what is dead in it and was not cleared away yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.harness.stores import store_of


class Size(NamedTuple):
    """The size of a store."""

    #: In use. A file of SQLite's keeps its length, a table of PostgreSQL's its pages: they are used again.
    bytes: int
    #: Keys, or rows of all tables.
    entries: int
    #: Rows that are dead and not vacuumed, pages that are free; 0 where there is nothing of the kind.
    dead: int


def size_of(broker: Any) -> Size:
    """How large the broker's store is now."""
    return _GAUGES[store_of(broker.safe_url)](broker)


def _redis(broker: Any) -> Size:
    memory, keys = broker._client.run([("INFO", "memory"), ("DBSIZE",)])
    facts = dict(line.split(":", 1) for line in memory.decode().splitlines() if ":" in line)
    return Size(int(facts["used_memory"]), int(keys), 0)


def _sqlite(broker: Any) -> Size:
    with broker._store.dialect.reading() as executor:
        pages, page_bytes, free = (
            executor.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size", "freelist_count")
        )
        return Size((pages - free) * page_bytes, _rows(broker, executor), free)


def _postgresql(broker: Any) -> Size:
    with broker._store.dialect.reading() as executor:
        found = executor.rows(
            "SELECT sum(pg_total_relation_size(relid))::bigint, sum(n_dead_tup)::bigint FROM pg_stat_user_tables"
        )
        return Size(int(found[0][0]), _rows(broker, executor), int(found[0][1]))


def _mariadb(broker: Any) -> Size:
    with broker._store.dialect.reading() as executor:
        found = executor.rows(
            "SELECT sum(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
        )
        return Size(int(found[0][0]), _rows(broker, executor), 0)


def _rows(broker: Any, executor: Any) -> int:
    prefix = broker._store.dialect.prefix
    return sum(executor.rows(f"SELECT count(*) FROM {prefix}{table}")[0][0] for table in ("job", "live", "outcome"))


_GAUGES: Mapping[str, Callable[[Any], Size]] = MappingProxyType(
    {"redis": _redis, "sqlite": _sqlite, "postgresql": _postgresql, "mariadb": _mariadb}
)

"""The stores that promises are tested on, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from tests.servers import MariaDbServer, PostgresServer, RedisServer

StoreServer: TypeAlias = RedisServer | PostgresServer | MariaDbServer

#: Those that are a server, and what runs it.
SERVERS: Mapping[str, type[StoreServer]] = MappingProxyType(
    {"redis": RedisServer, "postgresql": PostgresServer, "mariadb": MariaDbServer}
)
STORES = ("sqlite", *SERVERS)

#: How the fixtures of tests/conftest.py are called, where it is not the store's name.
_FIXTURES = {"postgresql": "postgres"}
#: The scheme of a broker URL, where it is not the store's name.
_SCHEMES = {"rediss": "redis", "postgres": "postgresql", "mysql": "mariadb"}


def fixture_of(store: str, what: str) -> str:
    """The name of the fixture that gives a store's `url`, or its shared `server`."""
    return f"{_FIXTURES.get(store, store)}_{what}"


def store_of(url: str) -> str:
    """The name of the store that a broker URL leads to."""
    scheme = url.partition(":")[0].partition("+")[0]
    return _SCHEMES.get(scheme, scheme)

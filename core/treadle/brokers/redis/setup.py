"""The store's schema version, and what the server's configuration means for jobs."""

from __future__ import annotations

from typing import Any

from treadle.brokers.redis.client import Client
from treadle.brokers.redis.wire import ReplyError
from treadle.exceptions import ConfigurationError

#: The version of the keys' layout. A store of a newer one is refused, not guessed at.
SCHEMA = 1
OLDEST_SERVER = (6, 2)


def migrate(client: Client) -> list[str]:
    """Write the schema version if there is none; answers what was done."""
    key = client.key("schema")
    written, found = client.run([("SET", key, SCHEMA, "NX"), ("GET", key)])
    if int(found) > SCHEMA:
        raise ConfigurationError(
            f"this Redis holds schema version {int(found)}, and this Treadle knows version {SCHEMA}; "
            "upgrade Treadle, or give it another namespace"
        )
    return [f"marked the namespace with schema version {SCHEMA}"] if written else []


def refuse_eviction(client: Client) -> None:
    """Raise ConfigurationError if the server deletes jobs when memory is short."""
    try:
        facts = _read_facts(client.run([("INFO", "memory")])[0])
    except ConfigurationError:
        # A server that does not let us ask may still be a good one.
        return
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys"):
        raise ConfigurationError(
            f"maxmemory-policy of this Redis is {policy}: it deletes jobs when memory is short; "
            "set it to noeviction, or use another Redis for jobs"
        )


def check(client: Client) -> list[str]:
    """What is wrong or risky, one sentence each."""
    facts = _read_facts(client.run([("INFO",)])[0])
    found = client.run([("GET", client.key("schema"))])[0]
    return [*_judge(facts), *_judge_schema(found)]


def _read_facts(info: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


def _judge(facts: dict[str, str]) -> list[str]:
    """Sentences about the server's own facts (`INFO`)."""
    problems: list[str] = []
    # Valkey keeps reporting the Redis version it is compatible with.
    version = facts.get("redis_version", "0.0")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
        oldest = ".".join(str(part) for part in OLDEST_SERVER)
        problems.append(f"the server is Redis {version}; Treadle needs {oldest} or newer")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        problems.append(f"maxmemory-policy is {policy}: Redis may delete jobs when memory is short; set noeviction")
    if facts.get("aof_enabled", "0") != "1":
        problems.append(
            "appendonly is off: a crash of the server loses every change since its last snapshot; set appendonly yes"
        )
    return problems


def _judge_schema(found: Any) -> list[str]:
    if found is None or isinstance(found, ReplyError) or int(found) <= SCHEMA:
        return []
    return [f"the namespace holds schema version {int(found)}, newer than this Treadle's {SCHEMA}; upgrade Treadle"]

"""The client side of the Redis broker, and what a worker's supervisor asks of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from treadle.brokers.redis import lookup, paging, retention, setup, workflows
from treadle.brokers.redis.address import hide_password, parse_address
from treadle.brokers.redis.client import Client
from treadle.brokers.redis.consumer import RedisConsumer
from treadle.brokers.redis.publishing import batches_of, require_known, require_names
from treadle.brokers.redis.settling import CHUNK
from treadle.brokers.redis.watch import RedisWatch
from treadle.edges import Input
from treadle.exceptions import ConfigurationError, LeaseLost, NotSupported
from treadle.interfaces import Counts, Features, Filter, NodePage, Page
from treadle.job import Job, Record, State


class RedisBroker:
    """Jobs in a Redis or Valkey server (6.2 or newer); see `treadle.interfaces.Broker`.

    All keys begin with `{namespace}:` (option `namespace`, by default `treadle`), so that in a cluster
    one namespace lives on one node. Every change is one script, and handles at most 500 jobs.
    """

    features = Features(store=True, transactions=False, shared=True, push=True)

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        namespace = str((options or {}).get("namespace") or "treadle")
        if "{" in namespace or "}" in namespace:
            raise ConfigurationError(f"namespace {namespace!r} must not hold braces: they mark its hash tag")
        self.safe_url = hide_password(url)
        self._client = Client(parse_address(url), namespace)

    # Clients ---------------------------------------------------------------------------------------

    def publish(self, jobs: Sequence[Job], *, connection: Any = None) -> None:
        """Store the jobs: up to 500 (and 8 MiB) in one atomic step.

        A larger batch goes in several such steps. All of it is checked before the first; if a later one
        fails, a part is stored and BrokerUnavailable says so: publishing the whole batch again completes it.
        """
        if connection is not None:
            raise NotSupported("Redis cannot join a database transaction; publish through the outbox instead")
        batches = batches_of(jobs)
        if len(batches) > 1:
            require_names(self._client, jobs)
        for batch in batches:
            require_known(self._client.call("publish", *batch))

    def get(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of those of `ids` that are known."""
        return lookup.get(self._client, ids)

    def watch(self) -> RedisWatch:
        """A new watch."""
        return RedisWatch(self._client)

    def cancel(self, ids: Sequence[str], *, terminate: bool = False) -> dict[str, State]:
        """Cancel waiting jobs, mark running ones; answers the states afterwards."""
        flat = self._for_each("cancel", ids, "terminate" if terminate else "revoke")
        # The script speaks of states in the interface's words.
        states: list[Any] = flat[1::2]
        return dict(zip(flat[::2], states, strict=True))

    def requeue(self, ids: Sequence[str]) -> list[str]:
        """Queue final and scheduled jobs; answers which."""
        return workflows.requeue(self._client, ids)

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Remove jobs that are not running; answers which."""
        return retention.delete(self._client, ids)

    def query(self, criteria: Filter, *, limit: int = 100, cursor: str = "") -> Page:
        """Records that match, newest first. A page may hold fewer than `limit` and still not be the last."""
        return paging.query(self._client, criteria, limit=limit, cursor=cursor)

    def counts(self) -> Counts:
        """Numbers by queue and state."""
        return lookup.counts(self._client)

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()

    # Queues ----------------------------------------------------------------------------------------

    def pause(self, queue: str) -> None:
        """Stop claims from the queue."""
        key = self._client.key
        self._client.run([("SADD", key("paused"), queue), ("SADD", key("queues"), queue)])

    def resume(self, queue: str) -> None:
        """Undo `pause`, and wake consumers."""
        self._client.call("resume", queue)

    def purge(self, queue: str) -> int:
        """Remove the waiting jobs of a queue, 500 a step; answers how many."""
        return self._in_steps("purge", queue)

    def move(self, source: str, target: str) -> int:
        """Move the waiting jobs of one queue to another, 500 a step; answers how many."""
        return 0 if source == target else self._in_steps("move", source, target)

    # Workflows -------------------------------------------------------------------------------------

    def inputs(self, id: str, *, after: int = -1, limit: int = 500) -> list[Input]:
        """What became of the jobs that lead to this one, by their place."""
        return workflows.inputs(self._client, id, after, limit)

    def hold(self, gates: Sequence[str], ttl_s: float) -> set[str]:
        """Keep gates shut for so long; answers those that are not blocked."""
        return set(self._for_each("hold", gates, round(ttl_s * 1000)))

    def open(self, gates: Sequence[str]) -> set[str]:
        """Let gates need one less; answers those that were not blocked."""
        return set(self._for_each("open", gates))

    def nodes(self, workflow: str, *, limit: int = 500, cursor: str = "") -> NodePage:
        """The jobs of a workflow and their edges, in the order of storing."""
        return workflows.nodes(self._client, workflow, limit, cursor)

    def progress(self, workflow: str) -> dict[State, int]:
        """How many jobs of a workflow are in each state, 500 a step."""
        return workflows.progress(self._client, workflow)

    def restart(self, workflow: str) -> list[str]:
        """Run a workflow again from where it did not succeed; answers what was queued."""
        return workflows.restart(self._client, workflow)

    # Workers ---------------------------------------------------------------------------------------

    def consumer(self, lease: str, queues: Sequence[str]) -> RedisConsumer:
        """The claiming side for the child that holds `lease`."""
        return RedisConsumer(self._client, lease, queues)

    def open_lease(self, lease: str, ttl_s: float) -> None:
        """Open a lease. Raises LeaseLost if the id was used before, ConfigurationError if the server evicts jobs."""
        setup.refuse_eviction(self._client)
        if not self._client.call("open_lease", lease, round(ttl_s * 1000)):
            raise LeaseLost(f"lease {lease!r} was used before and is closed; a new child needs a new lease id")

    def renew(self, leases: Sequence[str], ttl_s: float) -> set[str]:
        """Extend leases; answers those that are gone."""
        return set(self._for_each("renew", leases, round(ttl_s * 1000)))

    def abandon(
        self,
        lease: str,
        *,
        reason: str,
        error: bytes,
        guilty: str | None = None,
        suspects: Collection[str] = (),
        max_crashes: int = 3,
    ) -> list[str]:
        """Close the lease of a dead child, and give back what it held, 500 jobs a step."""
        back: list[str] = []
        left = True
        while left:
            answer = self._client.call("abandon", lease, reason, error, guilty or "", max_crashes, *suspects)
            left = bool(answer[0])
            back += [job_id.decode() for job_id in answer[1]]
        return back

    def recover(self, limit: int = 100, *, error: bytes, max_crashes: int = 3) -> list[str]:
        """Reap leases that ran out, and give back what they held."""
        answer = self._client.call("recover", min(limit, CHUNK), max_crashes, error)
        return [job_id.decode() for job_id in answer]

    def prune(
        self,
        *,
        max_age_s: float | None,
        max_count: int | None,
        failed_max_age_s: float | None = None,
        limit: int = 500,
    ) -> int:
        """Remove final records that are too old or too many; answers how many."""
        failed, other = (None if age_s is None else round(age_s * 1000) for age_s in (failed_max_age_s, max_age_s))
        return retention.prune(self._client, min(limit, CHUNK), max_count, (failed, other, other))

    # Set-up ----------------------------------------------------------------------------------------

    def make_ready(self) -> list[str]:
        """`migrate`: a mark is all that it takes."""
        return self.migrate()

    def migrate(self) -> list[str]:
        """Write the schema's version if it is missing. Raises ConfigurationError if the store's is newer."""
        return setup.migrate(self._client)

    def check(self) -> list[str]:
        """What is wrong or risky with the server's configuration."""
        return setup.check(self._client)

    # -----------------------------------------------------------------------------------------------

    def _for_each(self, name: str, ids: Iterable[str], *head: str | int) -> list[Any]:
        """The answers of a script that takes ids, 500 of them a step, as text."""
        unique = list(dict.fromkeys(ids))
        chunks = [unique[at : at + CHUNK] for at in range(0, len(unique), CHUNK)]
        return [answer.decode() for chunk in chunks for answer in self._client.call(name, *head, *chunk)]

    def _in_steps(self, name: str, *arguments: str) -> int:
        """The sum of what a bounded script answers, called until nothing of what was there at first is left."""
        kinds = ("q", "suspects", "delayed")
        waiting = sum(self._client.run([("ZCARD", self._client.key(f"{kind}:{arguments[0]}")) for kind in kinds]))
        done = 0
        while done < waiting and (step := int(self._client.call(name, *arguments))):
            done += step
        return done

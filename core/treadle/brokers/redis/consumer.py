"""The claiming side of the Redis broker."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

from treadle.brokers.redis.client import Client
from treadle.brokers.redis.marker import Markers
from treadle.brokers.redis.settling import CHUNK, chunks_of, to_arguments
from treadle.brokers.redis.wakeup import Wakeup
from treadle.exceptions import BrokerUnavailable, LeaseLost
from treadle.interfaces import CALL_DEADLINE_S, CancelRequest, Claimed, Settled
from treadle.job import Delivery
from treadle.settlement import Settlement

#: A marker whose taker died wakes nobody: whoever waits looks by itself this often.
_RECHECK_S = 1.0
_PAUSE_S = 0.05
_LOST, _SUSPECTS_WAIT, _TOOK_SUSPECT, _OTHER_EPOCH = 1, 2, 3, 4
_WIDTH = 10


class RedisConsumer:
    """Claims and settles for one lease; see `treadle.interfaces.Consumer`.

    A claim whose answer is lost has perhaps taken jobs that nobody knows of. So the consumer remembers
    what it has; after a broken call it names that to the store, which takes back the rest and bars, by a
    new epoch, a claim that may still be on its way.
    """

    def __init__(self, client: Client, lease: str, queues: Sequence[str]) -> None:
        self._client = client
        self._lease = lease
        self._queues = tuple(dict.fromkeys(queues))
        self._turn = 0
        self._epoch = 0
        self._in_doubt = False
        self._held: dict[str, int] = {}
        self._told: set[tuple[str, str]] = set()
        self._bell = client.key(f"bell:{lease}")
        self._wakeup, self._markers = self._open()

    def claim(self, limit: int, *, idle: bool, wait_s: float = 0.0) -> Claimed:
        """Take up to `limit` due jobs, waiting up to `wait_s` seconds for the first."""
        deadline = time.monotonic() + wait_s
        claimed, due_s = self._claim(limit, idle=idle)
        if wait_s <= 0 or limit <= 0:
            return claimed
        try:
            woken = False
            while not (claimed.deliveries or claimed.suspects_wait or woken):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                woken = self._pause(min(left_s, due_s, _RECHECK_S))
                claimed, due_s = self._claim(limit, idle=idle)
        except BaseException:
            self._markers.close()
            raise
        self._stop_waiting()
        return claimed

    def settle(self, settlements: Sequence[Settlement], *, claim_next: int = 0, idle: bool = False) -> Settled:
        """Give deliveries back and, in the same round trip, claim up to `claim_next` more.

        More than 500 settlements go in several steps, each atomic; repeating them is safe.
        """
        refused: list[str] = []
        chunks = chunks_of(settlements)
        for chunk in chunks[:-1]:
            refused += self._exchange(chunk, 0, idle=idle)[2]
        status, _, last_refused, claimed = self._exchange(chunks[-1], min(claim_next, CHUNK), idle=idle)
        return Settled(refused + last_refused, Claimed([] if status == _LOST else claimed, status == _SUSPECTS_WAIT))

    def note(self, delivery: Delivery, progress: bytes) -> bool:
        """Store the progress of a running job."""
        return bool(self._client.call("note", delivery.id, delivery.key, delivery.receipt, progress))

    def cancel_requests(self) -> list[CancelRequest]:
        """Requests to cancel what runs under this lease, each answered once."""
        found = self._client.run([("HGETALL", self._client.key(f"cancels:{self._lease}"))])[0]
        wishes = {(found[at].decode(), found[at + 1].decode()) for at in range(0, len(found), 2)}
        fresh, self._told = wishes - self._told, wishes
        return [_to_request(job_id, wish) for job_id, wish in sorted(fresh)]

    def wake(self) -> None:
        """Make the waiting or next `claim` return at once. From any thread or signal handler."""
        self._wakeup.ring()

    def close(self) -> None:
        """Drop the waiting connection."""
        self._markers.close()
        self._wakeup.close()

    # Claiming --------------------------------------------------------------------------------------

    def _claim(self, limit: int, *, idle: bool) -> tuple[Claimed, float]:
        """What one claim gives, and in how many seconds the next job falls due."""
        if limit <= 0:
            return Claimed([]), _RECHECK_S
        status, due_ms, _, deliveries = self._exchange((), min(limit, CHUNK), idle=idle)
        if status == _LOST:
            raise LeaseLost(f"lease {self._lease!r} is not open; its child must start nothing more and be replaced")
        return Claimed(deliveries, status == _SUSPECTS_WAIT), _RECHECK_S if due_ms < 0 else due_ms / 1000 + 0.001

    def _exchange(
        self, settlements: Sequence[Settlement], limit: int, *, idle: bool
    ) -> tuple[int, int, list[str], list[Delivery]]:
        """One call: status, ms to the next due time, ids refused, deliveries."""
        settled = to_arguments(settlements)
        status, due_ms, refused, answer = self._call(limit, idle, settled)
        held = self._held
        for settlement in settlements:
            delivery = settlement.delivery
            if held.get(delivery.id) == delivery.receipt:
                del held[delivery.id]
        deliveries = _to_deliveries(answer, suspect=status == _TOOK_SUSPECT)
        for delivery in deliveries:
            held[delivery.id] = delivery.receipt
        return status, due_ms, [job_id.decode() for job_id in refused], deliveries

    def _call(self, limit: int, idle: bool, settled: list[str | bytes | int]) -> Any:
        deadline = time.monotonic() + CALL_DEADLINE_S
        queues = self._next_turn()
        while True:
            try:
                self._resolve_doubt()
                head = self._lease, self._epoch, limit, int(idle), len(queues)
                answer = self._client.call("exchange", *head, *queues, *settled, repeat=not limit)
            except BrokerUnavailable:
                was_in_doubt, self._in_doubt = self._in_doubt, self._in_doubt or limit > 0
                if was_in_doubt or not limit or time.monotonic() >= deadline - _PAUSE_S:
                    raise
                continue
            if answer[0] != _OTHER_EPOCH:
                return answer
            # An earlier consumer of this child had been in doubt.
            self._epoch = int(self._client.run([("GET", self._client.key(f"epoch:{self._lease}"))])[0] or 0)

    def _resolve_doubt(self) -> None:
        if self._in_doubt:
            self._epoch += 1
            self._client.call("disown", self._lease, self._epoch, *self._held)
            self._in_doubt = False

    def _next_turn(self) -> tuple[str, ...]:
        """The queues, beginning with another one each time."""
        turn = self._turn
        self._turn = (turn + 1) % max(1, len(self._queues))
        return self._queues[turn:] + self._queues[:turn]

    # Waiting ---------------------------------------------------------------------------------------

    def _open(self) -> tuple[Wakeup, Markers]:
        wakeup = Wakeup()
        markers = [self._client.key(f"marker:{queue}") for queue in self._queues]
        return wakeup, Markers(self._client, [self._bell, *markers], wakeup)

    def _pause(self, timeout_s: float) -> bool:
        """Wait for a marker; whether the wait was ended by `wake()` or by a request to cancel."""
        if self._wakeup.is_inherited():
            self.close()
            self._wakeup, self._markers = self._open()
        try:
            key = self._markers.wait(timeout_s)
        except BrokerUnavailable:
            # The claim that follows says whether the server is gone; if not, this keeps us from spinning.
            time.sleep(_PAUSE_S)
            return self._wakeup.take()
        return self._wakeup.take() or key == self._bell

    def _stop_waiting(self) -> None:
        key = self._markers.stop()
        if key and key != self._bell:
            # Taken, but not for us any more: pass it on. Should that fail, the others look by themselves
            # within a second, and the caller must hear of what was claimed.
            with contextlib.suppress(BrokerUnavailable):
                self._client.run([("ZADD", key, 0, "1")])


def _to_deliveries(answer: list[Any], *, suspect: bool) -> list[Delivery]:
    deliveries: list[Delivery] = []
    for at in range(0, len(answer), 2):
        queue, flat = answer[at].decode(), iter(answer[at + 1])
        deliveries += [
            Delivery(
                job_id.decode(),
                task.decode(),
                payload,
                queue,
                priority,
                options or b"",
                int(receipt),
                int(attempt or 0),
                int(crashes or 0),
                suspect,
                verdict or b"",
                int(key),
            )
            for job_id, task, payload, options, priority, receipt, attempt, crashes, verdict, key in zip(
                *([flat] * _WIDTH), strict=True
            )
        ]
    return deliveries


def _to_request(job_id: str, wish: str) -> CancelRequest:
    receipt, _, kind = wish.partition(":")
    return CancelRequest(job_id, int(receipt), kind == "terminate")

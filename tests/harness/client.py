"""The side that calls: an app without tasks, and the questions that tests ask of a store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.harness.patience import eventually
from treadle import AsyncResult, Treadle
from treadle.job import Job, Record, new_id

_TASKS = "tests.harness.app."


class Client:
    """Publishes jobs for `tests.harness.app` by name, and looks at what became of them."""

    def __init__(self, url: str) -> None:
        self.app = Treadle("client", broker=url, set_as_current=False)

    def send(self, task: str, *args: Any, **options: Any) -> AsyncResult[Any]:
        """Publish one job for the task of that short name."""
        return self.app.send_task(_TASKS + task, args, **options)

    def send_many(self, task: str, calls: Iterable[tuple[Any, ...]]) -> list[AsyncResult[Any]]:
        """Publish a job per tuple of arguments, in bulk."""
        return self.app.publish_many(self.app.signature(_TASKS + task, args) for args in calls)

    def publish(self, task: str, payload: bytes, **fields: Any) -> AsyncResult[Any]:
        """Hand a job to the broker as it is, whatever its payload and its other fields."""
        job = Job(new_id(), _TASKS + task, payload, **fields)
        self.app.broker.publish([job])
        return self.app.AsyncResult(job.id)

    def records(self, results: Iterable[AsyncResult[Any]]) -> list[Record]:
        """What the store knows of these jobs now; a lost one is missing."""
        ids = [result.id for result in results]
        known: dict[str, Record] = {}
        for first in range(0, len(ids), 500):
            known |= self.app.broker.get(ids[first : first + 500])
        return [known[job_id] for job_id in ids if job_id in known]

    def await_state(self, result: AsyncResult[Any], *states: str, within_s: float = 15.0) -> Record:
        """The job's record, as soon as it is in one of these states (by default: final)."""
        wanted = states or ("succeeded", "failed", "cancelled")
        return eventually(
            lambda: record if (record := result.job()).state in wanted else None,
            within_s=within_s,
            what=f"job {result.id} in {wanted}",
        )

    def await_all_final(self, results: Iterable[AsyncResult[Any]], *, within_s: float = 30.0) -> list[Record]:
        """The records of these jobs, as soon as all of them have ended. A lost job never does."""
        results = list(results)
        left = {result.id for result in results}

        def have_ended() -> bool:
            for record in self.records(self.app.AsyncResult(job_id) for job_id in list(left)[:500]):
                if record.is_final:
                    left.discard(record.id)
            return not left

        eventually(have_ended, within_s=within_s, what=f"{len(results)} jobs ended")
        return self.records(results)

    def close(self) -> None:
        """Drop its connections."""
        self.app.close()

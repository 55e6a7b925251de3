"""One job as the memory store keeps it."""

from __future__ import annotations

from treadle.edges import Edge, Input
from treadle.job import FINAL_STATES, Delivery, Job, Record, State


class Entry:
    """A job and where it stands. Changed only by its `Shelf`, under the store's lock.

    What most jobs never change is a class attribute: it costs nothing until it is set.
    """

    state: State = "queued"
    reason = ""
    attempt = 0
    crashes = 0
    receipt = 0
    #: The last receipt that settled the job: a settlement with it is a repetition. 0: none.
    settled_receipt = 0
    result = b""
    error = b""
    progress = b""
    due_ms = 0
    started_ms = 0
    finished_ms = 0
    #: Position in the order of endings, for paging through final records.
    end_seq = 0
    lease = ""
    cancelling = ""
    #: The consumer that runs it has been told of `cancelling`.
    cancel_told = False
    suspect = False
    #: Runs under a claim that took it alone, as a suspect.
    alone = False
    verdict = b""
    verdict_reason = ""
    #: Who waits for its end, and whether they have been told of it.
    edges: tuple[Edge, ...] = ()
    is_told = False
    #: What it waits for itself, while it is blocked.
    need = 0
    spare = 0
    is_join = False
    delay_ms = 0
    eta_ms = 0

    def __init__(self, job: Job, seq: int, now_ms: int) -> None:
        self.id = job.id
        self.seq = seq
        self.task = job.task
        self.payload = job.payload
        self.queue = job.queue
        self.priority = job.priority
        self.options = job.options
        self.redeliver = job.redeliver
        self.created_ms = now_ms
        self.expires_ms = job.expires_ms
        if job.ttl_ms:
            self.expires_ms = min(now_ms + job.ttl_ms, job.expires_ms or now_ms + job.ttl_ms)
        if job.edges:
            self.edges = job.edges
        if job.need or job.is_join:
            self.need, self.spare, self.is_join = job.need, job.spare, job.is_join
            self.delay_ms, self.eta_ms = job.delay_ms, job.eta_ms

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.state in FINAL_STATES

    def is_expired(self, now_ms: int) -> bool:
        """Whether it must not start any more. A verdict is no start, so it outlives the expiry."""
        return 0 < self.expires_ms <= now_ms and not self.verdict

    def delivery(self) -> Delivery:
        """The job as its current claim hands it out."""
        return Delivery(
            self.id,
            self.task,
            self.payload,
            self.queue,
            self.priority,
            self.options,
            self.receipt,
            self.attempt,
            self.crashes,
            self.suspect,
            self.verdict,
            self.seq,
        )

    def as_input(self, place: int) -> Input:
        """What its end means to a target that knows it as input number `place`."""
        return Input(self.id, place, self.state, self.reason, self.result, self.error, self.is_join)

    def record(self) -> Record:
        """All that is known of the job."""
        return Record(
            id=self.id,
            task=self.task,
            queue=self.queue,
            priority=self.priority,
            state=self.state,
            reason=self.reason,
            attempt=self.attempt,
            crashes=self.crashes,
            receipt=self.receipt,
            payload=self.payload,
            options=self.options,
            result=self.result,
            error=self.error,
            progress=self.progress,
            created_ms=self.created_ms,
            due_ms=self.due_ms,
            expires_ms=self.expires_ms,
            started_ms=self.started_ms,
            finished_ms=self.finished_ms,
            lease=self.lease,
            cancelling=self.cancelling,
        )

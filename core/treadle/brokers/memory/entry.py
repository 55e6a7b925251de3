"""One job as the memory store keeps it."""

from __future__ import annotations

from treadle.answers import Node
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
    #: Who waits for its end, and how many of them, from the first on, an end of it was told to or is owed to.
    edges: tuple[Edge, ...] = ()
    told = 0
    #: What it waits for itself, while it is blocked.
    need = 0
    spare = 0
    #: The same as it was before any source had ended.
    first_need = 0
    first_spare = 0
    is_join = False
    #: It was stored as a job that a worker runs, and became a join by a `Replace`.
    is_replaced = False
    workflow = ""
    #: Counted from when it is free.
    delay_ms = 0
    eta_ms = 0
    ttl_ms = 0

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
        if job.waits_or_leads:
            self.edges, self.workflow = job.edges, job.workflow
            self.need, self.spare, self.is_join = job.need, job.spare, job.is_join
            self.first_need, self.first_spare = job.need, job.spare
            self.delay_ms, self.eta_ms = job.delay_ms, job.eta_ms
        if job.need and not job.is_join:
            self.ttl_ms = job.ttl_ms
        elif job.ttl_ms:
            self.live_for(job.ttl_ms, now_ms)

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self.state in FINAL_STATES

    @property
    def is_gate(self) -> bool:
        """Whether it is a join that is not held for ever."""
        return self.is_join and self.state == "blocked" and self.expires_ms > 0

    def live_for(self, ttl_ms: int, now_ms: int) -> None:
        """Let it expire so much from now, if it does not sooner."""
        self.expires_ms = min(now_ms + ttl_ms, self.expires_ms or now_ms + ttl_ms)

    def is_expired(self, now_ms: int) -> bool:
        """Whether it must not start any more. A verdict is no start, so it outlives the expiry."""
        return 0 < self.expires_ms <= now_ms and not self.verdict

    def blank(self) -> None:
        """Forget what came of the runs before."""
        self.suspect, self.verdict, self.verdict_reason = False, b"", ""
        self.finished_ms = self.end_seq = 0
        self.reason = self.cancelling = ""
        self.result = self.error = self.progress = b""

    def begin_anew(self) -> None:
        """Be as if it had never run, but for its receipt."""
        self.blank()
        self.attempt = self.crashes = 0
        # Whoever asks for it now wants it to run although its time had passed.
        self.expires_ms = 0

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
        options = self.options if self.is_join else b""
        return Input(self.id, place, self.state, self.reason, self.result, self.error, self.is_join, options)

    def node(self) -> Node:
        """What it is in its workflow."""
        return Node(self.id, self.task, self.state, self.reason, self.is_join, self.need, self.spare, self.edges)

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
            workflow=self.workflow,
            is_join=self.is_join,
        )

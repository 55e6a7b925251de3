"""Every error Treadle raises, as one tree.

TreadleError
├── ConfigurationError      fix the set-up: a setting, an option, a URL, a name
├── BrokerUnavailable       try again later: the server did not answer in time
├── NotSupported            this broker, pool or platform cannot do what was asked
├── TaskNotRegistered       no task has that name
├── JobNotFound             nobody knows that id                        (also LookupError)
├── SerializationError      a value cannot travel, or bytes cannot be read
│   └── UnusableValueError  a task returned what cannot be kept
│       └── BatchAnswerError  a batch task returned something else than one outcome per job
├── SecurityError           content that is refused
├── ResultTimeout           the result did not come within the timeout  (also TimeoutError)
├── LeaseLost               a child's lease was taken away; it must not start anything
└── TaskError               how a job ended, seen by whoever waits for it
    ├── MaxRetriesExceeded
    ├── SoftTimeLimitExceeded
    ├── TimeLimitExceeded
    ├── WorkerLost
    ├── JobCancelled
    │   └── JobExpired
    └── ChordError

TaskControl                 raised by task code to steer its own job; under neither
├── Retry
├── Replaced
├── Ignore
└── Reject
"""

from __future__ import annotations


class TreadleError(Exception):
    """The root of all errors that Treadle raises."""


class ConfigurationError(TreadleError):
    """The set-up is wrong: a setting, option, URL or name. The message names what was expected."""


class BrokerUnavailable(TreadleError):
    """The broker could not be reached within the deadline. Trying again later is safe."""


class NotSupported(TreadleError):
    """What was asked for cannot be done by this broker, pool or platform."""


class TaskNotRegistered(TreadleError):
    """No task of that name is registered with the app."""


class JobNotFound(TreadleError, LookupError):
    """No job of that id is known: it never existed, was rolled back, or its retention is over."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id!r} is known: it never existed, was rolled back, or its retention has ended")
        self.job_id = job_id

    def __reduce__(self) -> tuple[type[JobNotFound], tuple[str]]:
        return type(self), (self.job_id,)


class SerializationError(TreadleError):
    """A value cannot be serialized, or bytes cannot be read back. The message names the place."""


class UnusableValueError(SerializationError):
    """A task returned what cannot be kept. The function has run: running it again would give the same."""


class BatchAnswerError(UnusableValueError):
    """A batch task returned something else than None or one outcome for each of its jobs."""


class SecurityError(TreadleError):
    """Content was refused because its kind is not accepted or its signature does not hold."""


class ResultTimeout(TreadleError, TimeoutError):
    """The result did not come within the timeout. The job itself goes on."""


class LeaseLost(TreadleError):
    """The lease was reaped or never opened: its holder must start nothing more."""


class TaskError(TreadleError):
    """A job ended badly. Also stands in for an exception whose class cannot be imported here.

    `remote_traceback` is the text of the traceback in the worker, `type_name` the original class.
    """

    remote_traceback: str = ""
    type_name: str = ""


class MaxRetriesExceeded(TaskError):
    """The last allowed retry was used up."""


class SoftTimeLimitExceeded(TaskError):
    """Raised inside a task when its soft time limit has passed: there is a moment to clean up."""


class TimeLimitExceeded(TaskError):
    """The hard time limit passed and the process that ran the job was killed."""


class WorkerLost(TaskError):
    """The process that ran the job died: the message names the signal or exit code."""


class JobCancelled(TaskError):
    """The job was cancelled before it ended."""


class JobExpired(JobCancelled):
    """The job was not started before its expiry time."""


class ChordError(TaskError):
    """A part of a workflow is missing, so what follows it cannot run."""


class TaskControl(Exception):
    """Raised by task code to steer its own job. Never stored as an error."""


class Retry(TaskControl):
    """Run the job again at a later time. Raised by `self.retry()`.

    `delay_s` is the wait in seconds from now by the store's clock; `exc` is why.
    """

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | None = None,
        delay_s: float = 0.0,
        **changes: object,
    ) -> None:
        super().__init__(message or (f"retry: {exc!r}" if exc is not None else "retry"))
        self.exc = exc
        self.delay_s = delay_s
        self.changes = changes


class Replaced(TaskControl):
    """End this run: another job's end will be this one's. Raised by `self.replace()`.

    `source` is the id of that job, which waits behind the gate of the id `gate`.
    """

    def __init__(self, source: str, gate: str) -> None:
        super().__init__(source, gate)
        self.source = source
        self.gate = gate


class Ignore(TaskControl):
    """End the job as succeeded, without a value."""


class Reject(TaskControl):
    """Give the job up (`requeue=False`: it ends failed, reason `rejected`) or back (`requeue=True`)."""

    def __init__(self, reason: object = None, requeue: bool = False) -> None:
        super().__init__(reason, requeue)
        self.reason = reason
        self.requeue = requeue

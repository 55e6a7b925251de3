"""Who is charged for the death of a child: a pure decision from what was left on its board."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NamedTuple

from treadle.exceptions import TimeLimitExceeded, WorkerLost
from treadle.serialization.failure import encode_failure
from treadle.worker.supervisor.ward import Crash, Ward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.worker.board import Running

_BROKER_THREAD_DIED = 70


class Verdict(NamedTuple):
    """What is to be done about what a dead child held."""

    crash: Crash
    is_clean: bool
    guilty: str | None
    suspects: list[str]
    error: bytes

    @property
    def charges(self) -> bool:
        """Whether a job was found guilty or suspect."""
        return self.guilty is not None or bool(self.suspects)


def judge_death(status: int | None, ward: Ward) -> Verdict:
    """Charge the guilty: the only job that ran, or the one whose limit passed. Several are suspects.

    A batch is several jobs. A job that waits for others may have been at work all the same, so it is suspect with
    those that ran in its place; but of them, one that was claimed as a suspect is charged.

    `status` is as `os.waitpid` gives it, None if nobody knows it.
    """
    is_clean = bool(ward.farewell) and status in (0, None) and ward.crash is None
    crash = ward.crash or Crash("crashed", f"the process {describe_exit(status)}")
    if is_clean:
        return Verdict(Crash("released", ward.farewell), True, None, [], b"")
    runs = ward.board.running()
    if crash.reason == "time_limit":
        error = encode_failure(TimeLimitExceeded(crash.text), with_traceback=False)
        late = [job_id for run in runs if run.id == ward.guilty for job_id in ward.board.ids_of(run)]
        if len(late) > 1:  # a batch: each of its jobs gets the time to show what it takes alone
            return Verdict(crash, False, None, late, error)
        return Verdict(crash, False, ward.guilty, [], error)
    if crash.reason != "crashed" or _is_our_fault(status):
        return Verdict(crash, False, None, [], b"")
    error = encode_failure(WorkerLost(f"{crash.text} while it ran the job"), with_traceback=False)
    ids = [job_id for run in runs for job_id in ward.board.ids_of(run)]
    guilty = ids[0] if len(ids) == 1 else _convicted(runs, ward)
    return Verdict(crash, False, guilty, [each for each in ids if each != guilty], error)


def _convicted(runs: Sequence[Running], ward: Ward) -> str | None:
    """The job that was a suspect already, if it is clear which. Else a job whose children kill would run for ever."""
    at_work = [run.id for run in runs if not run.waits]
    if len(at_work) == 1 and len(runs) > 1 and ward.board.runs_suspect:
        return at_work[0]
    waiting = [run.id for run in runs if run.suspect]
    return waiting[0] if len(waiting) == 1 else None


def _is_our_fault(status: int | None) -> bool:
    """Whether the broker thread gave up (`treadle.worker.child.process`), whatever job ran beside it."""
    return status is not None and os.WIFEXITED(status) and os.WEXITSTATUS(status) == _BROKER_THREAD_DIED


def describe_exit(status: int | None) -> str:
    """`was killed by SIGKILL`, `exited with code 3`, in words."""
    if status is None:
        return "ended, nobody knows how"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        hint = " (out of memory, or somebody's kill -9)" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"exited with code {os.waitstatus_to_exitcode(status)}"

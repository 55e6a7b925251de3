"""Exit codes, and the one line that says why."""

from __future__ import annotations

import click

from treadle.exceptions import BrokerUnavailable, ResultTimeout, TreadleError

OK = 0
FAILED = 1
USAGE = 2
UNAVAILABLE = 3
NOT_ENDED = 4
INTERRUPTED = 130

#: For `treadle --help` and docs/cli.md.
MEANINGS = {
    OK: "done",
    FAILED: "it failed: an unknown job or queue, a failed job, an application that cannot be imported, a wrong setting",
    USAGE: "the command line is wrong",
    UNAVAILABLE: "the broker could not be reached",
    NOT_ENDED: "the job has not ended (yet)",
    INTERRUPTED: "interrupted by Ctrl-C",
}

_TRACEBACK = "\nTraceback (most recent call last):"


def exit_code(error: BaseException) -> int:
    """The exit code that an error stands for."""
    match error:
        case click.UsageError():
            return USAGE
        case BrokerUnavailable():
            return UNAVAILABLE
        case ResultTimeout():
            return NOT_ENDED
        case _:
            return FAILED


def one_line(error: BaseException) -> str:
    """What went wrong, in words, without the traceback that a message may carry.

    An error that is none of ours is a defect or somebody's plugin, so it says how to learn more.
    """
    if isinstance(error, click.ClickException):
        return _usage(error)
    text = str(error).partition(_TRACEBACK)[0].strip()
    if isinstance(error, TreadleError):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text} (treadle --traceback ... shows where)"


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}; see {context.command_path} --help" if context is not None else message

"""The entry point: runs the command, and turns whatever goes wrong into one line and an exit code."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import click

from treadle.cli.exits import FAILED, INTERRUPTED, OK, exit_code, one_line
from treadle.cli.invocation import Invocation
from treadle.cli.root import root


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names (default: this program's arguments); answers the exit code."""
    invocation = Invocation()
    try:
        # Not standalone: click would print usage errors in several lines of its own, and leave no room for ours.
        answer: object = root.main(argv, prog_name="treadle", obj=invocation, standalone_mode=False)
    except KeyboardInterrupt:
        invocation.complain("interrupted")
        return INTERRUPTED
    except click.Abort as abort:
        # click says so for both: Ctrl-C at a question, and a question that was denied or that nobody could answer.
        if isinstance(abort.__context__, KeyboardInterrupt):
            invocation.complain("interrupted")
            return INTERRUPTED
        invocation.complain("nothing was done: the question was not answered with yes (-f does not ask)")
        return FAILED
    except Exception as error:  # noqa: BLE001 - the end of the line: nothing above could tell the user
        if invocation.with_traceback:
            traceback.print_exception(error)
        invocation.complain(one_line(error))
        return exit_code(error)
    return answer if isinstance(answer, int) else OK

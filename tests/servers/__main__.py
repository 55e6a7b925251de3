"""`python -m tests.servers ensure`: install the servers that the tests need and that are missing.

Exit code 0: all are there, or what is left out was named. 1: something is missing and CI=true. 2: wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.servers import PROGRAMS
from tests.servers.program import Program, must_be_complete


def main(arguments: list[str], programs: Sequence[Program] = PROGRAMS) -> int:
    """Carry out the command line; the answer is the exit code."""
    if arguments != ["ensure"]:
        print("usage: python -m tests.servers ensure", file=sys.stderr)
        return 2
    left_out = [f"{program.suites} ({why})" for program in programs if (why := program.ensure())]
    if not left_out:
        return 0
    print(f"left out: {'; '.join(left_out)}", file=sys.stderr)
    return 1 if must_be_complete() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

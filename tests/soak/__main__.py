"""`python -m tests.soak`: run many jobs of all kinds, and see whether anything grows. Exit code 1 if it does."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.report import table
from tests.harness.stores import SERVERS, STORES, store_of
from tests.soak.soak import growth, soak


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--store", choices=STORES, help="start a server for it alone")
    where.add_argument("--url", help="use this store, which must be empty")
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--children", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _place(options.url, options.store, Path(folder)) as url:
        looks = soak(url, Path(folder), jobs=options.jobs, children=options.children, say=_say)
    print(f"### Soak: {store_of(url)}, {options.jobs:,} jobs\n\n{table([look.row() for look in looks])}\n")  # noqa: T201
    grown = growth(looks)
    print("\n".join(grown) or "Nothing grew, nothing is left.")  # noqa: T201
    return 1 if grown else 0


@contextmanager
def _place(url: str | None, store: str, folder: Path) -> Generator[str]:
    """The URL of the store: the one that was given, or of a private one."""
    if url is not None:
        yield url
    elif store == "sqlite":
        yield f"sqlite:///{folder}/treadle.sqlite3"
    else:
        with SERVERS[store](folder) as server:
            yield server.url


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

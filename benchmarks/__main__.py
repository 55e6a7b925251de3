"""`python -m benchmarks`: measure, and print the tables."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import contestants_named
from benchmarks.environment import Environment
from benchmarks.failures import Failures
from benchmarks.options import read_options
from benchmarks.plan import Turn, plan
from benchmarks.requirements import requirements_table
from benchmarks.sample import Sample
from benchmarks.sessions import SESSIONS, Bench
from benchmarks.stores import Store, open_store
from benchmarks.table import conditions, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.options import Options


def main(arguments: Sequence[str]) -> int:
    """Carry out the command line; the answer is the exit code. What fails is left out and named."""
    options, failures = read_options(arguments), Failures()
    environments = install(options, failures)
    contestants = [environment.contestant for environment in environments.values()]
    turns = plan(options.sessions, contestants, options.stores, options.repeat)
    samples = measure(turns, environments, options, failures)
    versions = {name: environment.version() for name, environment in environments.items()}
    said = conditions(options, versions) + (f"\n{failures}" if str(failures) else "")
    print(f"{said}\n\n{table(samples)}\n\n{requirements_table(samples)}")
    if options.json:
        content = {"conditions": said, "samples": [sample._asdict() for sample in samples]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def install(options: Options, failures: Failures) -> dict[str, Environment]:
    """The environments of those that could be installed, by name."""
    installed: dict[str, Environment] = {}
    for contestant in contestants_named(options.peers):
        environment = Environment(contestant, options.cache)
        with failures.caught(contestant.name):
            environment.install()
            installed[contestant.name] = environment
    return installed


def measure(
    turns: Sequence[Turn], environments: dict[str, Environment], options: Options, failures: Failures
) -> list[Sample]:
    """The samples of all turns, taken one after another in servers and folders of their own."""
    samples: list[Sample] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="treadle-benchmarks-")))
        stores = open_stores(dict.fromkeys(turn.store for turn in turns), folder, stack, failures)
        for number, turn in enumerate(turns, start=1):
            # What failed once would cost each round a deadline.
            if turn.store not in stores or turn.what in failures:
                continue
            print(f"\r\033[K{number}/{len(turns)} {turn}", end="", file=sys.stderr, flush=True)
            with failures.caught(turn.what):
                values = take(turn, environments[turn.contestant.name], stores[turn.store], options)
                samples += [Sample(name, turn.store, turn.contestant.name, turn.round, v) for name, v in values.items()]
    print("\r\033[K", end="", file=sys.stderr)
    return samples


def open_stores(names: Iterable[str], folder: Path, stack: ExitStack, failures: Failures) -> dict[str, Store]:
    """The stores that could be started, by name."""
    stores: dict[str, Store] = {}
    for name in names:
        with failures.caught(f"store {name}"):
            stores[name] = open_store(name, folder / name, stack)
    return stores


def take(turn: Turn, environment: Environment, store: Store, options: Options) -> dict[str, float]:
    """What one turn measures, by measure."""
    bench = Bench(environment, store, turn.contestant.share.get(turn.store, 0.0), options.sizes)
    return SESSIONS[turn.session](bench.afresh())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What fault tests share: stores, figures, and how much time there is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness import Report, Rig
from tests.harness.fixtures import rig_on_every_store as rig
from tests.harness.stores import SERVERS, StoreServer, fixture_of

__all__ = ["rig"]

_REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults-long", action="store_true", help="50 random kills per store, with the real lease")
    parser.addoption("--faults-report", metavar="FILE", type=Path, help="write what was measured as Markdown")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_REPORT] = Report()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tables = config.stash[_REPORT].markdown()
    if not tables:
        return
    terminalreporter.section("faults, counted")
    terminalreporter.write(tables)
    if file := config.getoption("faults_report", None):
        file.write_text(tables, encoding="utf-8")


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Report:
    """Where tests leave the figures they measured; printed at the end of the run."""
    return pytestconfig.stash[_REPORT]


@pytest.fixture
def takes_its_time(pytestconfig: pytest.Config) -> bool:
    """Whether to do all that was asked for, however long it takes."""
    return bool(pytestconfig.getoption("faults_long", default=False))


@pytest.fixture
def dice() -> random.Random:
    """Dice of a seed that is told, should the test fail."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201 - to repeat a failure: random.Random(seed)
    return random.Random(seed)


# Servers of the test's own ---------------------------------------------------------------------------


@pytest.fixture(params=SERVERS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """A server that tests may stop, kill and freeze. Another finds it running again."""
    request.getfixturevalue(fixture_of(request.param, "server"))  # sees to it that there is a program to run
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as own:
        yield own


@pytest.fixture
def server_rig(server: StoreServer, tmp_path: Path) -> Iterator[Rig]:
    """An empty store on `server`, and what hangs on it."""
    if not server.pid:
        server.start()
    with server.database() as url, closing(Rig(url, tmp_path)) as rig:
        yield rig
        if server.pid:
            server.thaw()

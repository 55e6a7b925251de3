"""Fixtures of the suites that start real workers; their conftest.py imports them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.rig import Rig
from tests.harness.stores import STORES, fixture_of

#: For tests of what has nothing to do with the store.
ON_SQLITE = pytest.mark.parametrize("rig", ["sqlite"], indirect=True)


@pytest.fixture(params=["sqlite", "redis"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """An empty store and what hangs on it: each test that asks for it runs on a database and on Redis."""
    with closing(Rig(request.getfixturevalue(fixture_of(request.param, "url")), tmp_path)) as made:
        yield made


@pytest.fixture(params=STORES)
def rig_on_every_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """The same, on each store that there is."""
    with closing(Rig(request.getfixturevalue(fixture_of(request.param, "url")), tmp_path)) as made:
        yield made

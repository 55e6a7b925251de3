"""Random workflows on every broker: whatever fails or dies, all jobs end, each once, as a plain interpreter says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.workflows import FailedError, InlineWorker, Trouble, add_step, interpreted, plain, workflows
from treadle import Treadle
from treadle.workflows.signature import Signature

GRAPHS = 60
_STORES = ["memory", "sqlite", "postgres", "mariadb", "redis"]


@pytest.fixture(params=_STORES)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Treadle]:
    """An app on each store."""
    name: str = request.param
    own = {"memory": "memory://graphs", "sqlite": f"sqlite:///{tmp_path / 'graphs.db'}"}
    url = own.get(name) or request.getfixturevalue(f"{name}_url")
    with Treadle("graphs", broker=url, set_as_current=False) as app:
        app.broker.migrate()
        add_step(app)
        yield app


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """What fails on purpose need not be logged."""
    caplog.set_level(logging.CRITICAL)


def test_every_job_of_random_workflows_ends_once_as_the_interpreter_says(app: Treadle) -> None:
    @settings(max_examples=GRAPHS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(workflows(max_leaves=60), st.integers(0, 10**6))
    def check(whole: Signature, seed: int) -> None:
        worker = InlineWorker(app, Trouble(seed, 0.3))
        whole.own_app = app
        result = whole.apply_async()
        if result is None:
            return
        nodes = worker.run_out(result)

        assert all(count == 1 for count in worker.ended.values()), "each job ended once"
        assert len({node.id for node in nodes}) == len(nodes)
        try:
            expected = interpreted(whole)
        except FailedError:
            assert result.job().state == "failed"
            with pytest.raises(FailedError):
                result.get(timeout=10)
        else:
            assert plain(result.get(timeout=10)) == expected
        worker.close()

    check()

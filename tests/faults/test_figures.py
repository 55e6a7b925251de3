"""The figures of this suite are what they say."""

from __future__ import annotations

import pytest

from tests.harness import Report
from tests.harness.kills import Kill, seconds_to_run_again
from tests.harness.ledger import Entry
from tests.soak.gauges import Size
from tests.soak.soak import Look, growth

KILL = Kill("a child", at_s=10.0, child_pids=frozenset({7}), whole_after_s=0.2)


def test_a_job_is_interrupted_by_a_kill_if_it_ran_in_the_victim_and_starts_again() -> None:
    starts = [
        Entry("ended in the victim", "start", 7, 8.0),
        Entry("interrupted", "start", 7, 9.0),
        Entry("of another", "start", 8, 9.0),
        Entry("of another", "start", 9, 10.5),
        Entry("interrupted", "start", 9, 10.25),
        Entry("interrupted", "start", 9, 12.0),
        Entry("new", "start", 9, 11.0),
    ]
    assert seconds_to_run_again(KILL, starts) == [0.25]


def test_a_report_does_not_depend_on_the_order_of_the_tests() -> None:
    rows = [{"store": "sqlite", "s": 0.256}, {"store": "redis", "s": 1000}]
    one, other = Report(), Report()
    for row in rows:
        one.add("Kills", row)
    for row in reversed(rows):
        other.add("Kills", row)
    assert one.markdown() == other.markdown()
    assert one.markdown() == "### Kills\n\n| store | s |\n| --- | ---: |\n| redis | 1,000 |\n| sqlite | 0.26 |\n"


def look(at_s: float, *, pss_mib: float = 50.0, mib: int = 100, entries: int = 5) -> Look:
    return Look(at_s, 0, 0, 0, pss_mib, Size(mib << 20, entries, 0))


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (look(300.0), ""),
        (look(300.0, pss_mib=80.0), "the worker grew from 50.0 to 80.0 MiB"),
        (look(300.0, mib=200), "the store grew from 100.0 to 200.0 MiB"),
        (look(300.0, entries=100), "100 keys or rows are left"),
    ],
)
def test_a_soak_says_what_grew(last: Look, said: str) -> None:
    found = growth([look(0.0), look(150.0), last])
    assert [said in sentence for sentence in found] == ([True] if said else [])

"""The decisions of the SQL broker that need no database."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treadle.brokers.sql.claiming import fair_share
from treadle.brokers.sql.leases import Death, after_death, is_outage
from treadle.brokers.sql.publishing import due_ms, expires_ms
from treadle.brokers.sql.rows import RUNNING, Live, Outcome
from treadle.job import Job

TIMES = st.one_of(st.just(0), st.integers(0, 10**13))


@given(now=TIMES, delay=TIMES, eta=TIMES)
def test_a_job_is_due_at_the_later_of_its_times_and_never_in_the_past(now: int, delay: int, eta: int) -> None:
    due = due_ms(Job("a", "t", b"", delay_ms=delay, eta_ms=eta), now)
    assert due >= max(now + delay, eta)
    assert due in {now, now + delay, eta}


@given(now=TIMES, ttl=TIMES, expires=TIMES)
def test_a_job_expires_at_the_earlier_of_its_limits_or_never(now: int, ttl: int, expires: int) -> None:
    end = expires_ms(Job("a", "t", b"", ttl_ms=ttl, expires_ms=expires), now)
    limits = [now + ttl] * (ttl > 0) + [expires] * (expires > 0)
    assert end == (min(limits) if limits else 0)


@given(queued=st.integers(0, 10**6), leases=st.integers(0, 100))
def test_fair_shares_leave_nothing_and_take_no_more_than_needed(queued: int, leases: int) -> None:
    share = fair_share(queued, leases)
    children = max(leases, 1)
    assert share * children >= queued
    assert (share - 1) * children < queued or queued == 0


def test_silence_of_more_than_half_a_lease_is_an_outage() -> None:
    assert not is_outage(5_000, 10_000)
    assert is_outage(5_001, 10_000)


LIVE = st.builds(
    Live,
    seq=st.just(1), state=st.just(RUNNING), receipt=st.integers(1, 50), settled=st.integers(0, 50),
    attempt=st.integers(0, 9), crashes=st.integers(0, 9), suspect=st.integers(0, 1),
    verdict=st.sampled_from([None, b"verdict"]), verdict_reason=st.just("crashed"), error=st.none(),
    progress=st.none(), cancelling=st.integers(0, 2), lease=st.just("w/1"), started_ms=st.just(1),
    id=st.just("a"), redeliver=st.integers(0, 1),
)  # fmt: skip
DEATHS = st.builds(
    Death,
    reason=st.sampled_from(["crashed", "time_limit"]), error=st.just(b"boom"), max_crashes=st.integers(1, 4),
    is_unseen=st.booleans(), guilty=st.sampled_from([None, "a", "b"]), suspects=st.sampled_from([(), ("a",), ("b",)]),
)  # fmt: skip


@given(row=LIVE, death=DEATHS)
def test_a_death_makes_old_receipts_worthless_and_counts_crashes_of_the_guilty_alone(row: Live, death: Death) -> None:
    fate = after_death(row, death, 99)
    assert fate.receipt == row.receipt + 1
    is_guilty = death.guilty == "a" and not row.verdict
    assert fate.crashes == row.crashes + (is_guilty and death.reason == "crashed")


@given(row=LIVE, death=DEATHS)
def test_a_run_is_charged_once_now_or_when_the_verdict_is_carried_out(row: Live, death: Death) -> None:
    fate = after_death(row, death, 99)
    is_carried_out = bool(row.verdict)
    is_sentenced = isinstance(fate, Live) and bool(fate.verdict)
    is_charged_now = death.guilty == "a" and not is_sentenced
    assert fate.attempt == row.attempt + (is_carried_out or is_charged_now)


@given(row=LIVE, death=DEATHS)
def test_a_job_that_crashed_too_often_or_must_not_start_twice_is_never_run_again(row: Live, death: Death) -> None:
    fate = after_death(row, death, 99)
    is_involved = "a" in (death.guilty, *death.suspects)
    if isinstance(fate, Outcome):
        assert row.verdict or row.cancelling
    elif is_involved and (not row.redeliver or fate.crashes >= death.max_crashes > row.crashes):
        assert fate.verdict == b"boom"
        assert not fate.suspect

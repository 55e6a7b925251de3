"""What a lease promises, while its child lives and when nobody renews it."""

from __future__ import annotations

import pytest

from treadle.exceptions import LeaseLost
from treadle.settlement import Complete
from treadle.testing.broker_contract.stage import LOST, SHORT_TTL_S, Stage


class LeaseCases:
    """Leases: renewed in one call, reaped when they run out, never revived."""

    def test_an_open_lease_is_listed_and_a_closed_one_is_not(self, stage: Stage) -> None:
        child, other = stage.child(), stage.child()
        assert set(stage.broker.counts().leases) == {child.lease, other.lease}
        stage.kill(child)
        assert set(stage.broker.counts().leases) == {other.lease}

    def test_renewing_answers_the_leases_that_are_gone(self, stage: Stage) -> None:
        alive, dead = stage.child(), stage.child()
        stage.kill(dead)
        assert stage.broker.renew([alive.lease, dead.lease, "never/opened"], 60) == {dead.lease, "never/opened"}

    def test_renewing_nothing_does_nothing(self, stage: Stage) -> None:
        assert stage.broker.renew([], 60) == set()

    def test_renewing_does_not_revive_a_closed_lease(self, stage: Stage) -> None:
        child = stage.child()
        stage.publish("a")
        stage.kill(child)
        assert stage.broker.renew([child.lease], 60) == {child.lease}
        with pytest.raises(LeaseLost):
            child.take()
        assert child.lease not in stage.broker.counts().leases

    def test_nothing_is_recovered_while_leases_are_renewed(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child(ttl_s=60)
        delivery = child.take_one()
        assert stage.broker.recover(error=LOST) == []
        stage.broker.renew([child.lease], 60)
        assert stage.broker.recover(error=LOST) == []
        assert child.settle(Complete(delivery)).refused == []

    def test_a_renewed_lease_outlives_its_first_term(self, stage: Stage) -> None:
        stage.publish("a")
        child = stage.child(ttl_s=SHORT_TTL_S)
        other = stage.child(ttl_s=60)
        child.take_one()
        stage.broker.renew([child.lease], 60)
        for _ in range(6):
            stage.pass_time(SHORT_TTL_S / 4)
            stage.broker.renew([other.lease], 60)
        assert stage.broker.recover(error=LOST) == []
        assert stage.state("a") == "running"

    def test_jobs_of_a_lease_that_ran_out_are_given_back_as_suspects(self, stage: Stage) -> None:
        stage.publish("a")
        lost = stage.child(ttl_s=SHORT_TTL_S)
        stale = lost.take_one()
        alive = stage.child(ttl_s=SHORT_TTL_S)
        assert stage.recover_while_renewing(alive) == ["a"]
        record = stage.record("a")
        assert (record.state, record.attempt, record.crashes) == ("queued", 0, 0)
        assert lost.settle(Complete(stale)).refused == ["a"]
        assert alive.take_one().suspect

    def test_a_renewed_lease_keeps_its_jobs_when_another_is_reaped(self, stage: Stage) -> None:
        stage.publish("mine", "theirs")
        alive = stage.child(ttl_s=SHORT_TTL_S)
        lost = stage.child(ttl_s=SHORT_TTL_S)
        kept = alive.take_one()
        lost.take_one()
        assert stage.recover_while_renewing(alive) == ["theirs"]
        assert alive.settle(Complete(kept)).refused == []

    def test_a_reaped_lease_is_never_revived(self, stage: Stage) -> None:
        stage.publish("a")
        lost, alive = stage.child(ttl_s=SHORT_TTL_S), stage.child(ttl_s=SHORT_TTL_S)
        lost.take_one()
        stage.recover_while_renewing(alive)
        assert stage.broker.renew([lost.lease], 60) == {lost.lease}
        with pytest.raises(LeaseLost):
            lost.take()
        assert stage.state("a") == "queued"

    def test_a_lost_lease_claims_nothing_while_it_settles(self, stage: Stage) -> None:
        stage.publish("a", "b")
        child = stage.child()
        stale = child.take_one()
        stage.kill(child)
        settled = child.consumer.settle([Complete(stale)], claim_next=1)
        assert settled.refused == ["a"]
        assert settled.claimed.deliveries == []
        assert stage.states("ab") == ["queued", "queued"]

    def test_an_overdue_lease_that_was_not_reaped_can_be_renewed(self, stage: Stage) -> None:
        stage.publish("a")
        late = stage.child(ttl_s=SHORT_TTL_S)
        delivery = late.take_one()
        stage.pass_time(SHORT_TTL_S * 1.5)
        assert stage.broker.renew([late.lease], 60) == set()
        assert stage.broker.recover(error=LOST) == []
        assert late.settle(Complete(delivery)).refused == []

    def test_recovery_is_bounded_and_goes_on_at_the_next_call(self, stage: Stage) -> None:
        ids = stage.publish(*(f"{number}" for number in range(5)))
        lost = stage.child(ttl_s=SHORT_TTL_S)
        assert len(lost.take(10)) == 5
        alive = stage.child(ttl_s=SHORT_TTL_S)
        recovered: list[str] = []
        while len(recovered) < 5:
            batch = stage.recover_while_renewing(alive, limit=2)
            assert len(batch) <= 2
            recovered += batch
        assert sorted(recovered) == ids

    def test_after_an_outage_nothing_is_recovered_for_one_lease_period(self, stage: Stage) -> None:
        ttl_s = 2.0
        stage.publish("a")
        child, other = stage.child(ttl_s=ttl_s), stage.child(ttl_s=ttl_s)
        stage.broker.renew([child.lease, other.lease], ttl_s)
        delivery = child.take_one()
        stage.pass_time(ttl_s * 1.1)
        stage.broker.renew([other.lease], ttl_s)
        assert stage.broker.recover(error=LOST) == []
        assert stage.broker.renew([child.lease], ttl_s) == set()
        assert child.settle(Complete(delivery)).refused == []

    def test_after_an_outage_who_never_comes_back_is_recovered_in_the_end(self, stage: Stage) -> None:
        stage.publish("a")
        lost, alive = stage.child(ttl_s=SHORT_TTL_S), stage.child(ttl_s=SHORT_TTL_S)
        lost.take_one()
        stage.pass_time(SHORT_TTL_S * 2)
        assert stage.recover_while_renewing(alive) == ["a"]

    def test_an_alone_suspect_whose_lease_runs_out_is_charged_a_crash(self, stage: Stage) -> None:
        stage.suspect("a")
        lost, alive = stage.child(ttl_s=SHORT_TTL_S), stage.child(ttl_s=SHORT_TTL_S)
        assert lost.take_one().suspect
        assert stage.recover_while_renewing(alive) == ["a"]
        record = stage.record("a")
        assert (record.state, record.attempt, record.crashes) == ("queued", 1, 1)

    def test_a_recovered_suspect_gets_a_verdict_at_the_limit_of_crashes(self, stage: Stage) -> None:
        stage.suspect("a")
        lost, alive = stage.child(ttl_s=SHORT_TTL_S), stage.child(ttl_s=SHORT_TTL_S)
        lost.take_one()
        stage.recover_while_renewing(alive, max_crashes=1)
        assert alive.take_one().verdict == LOST

    def test_a_job_not_to_be_redelivered_gets_a_verdict_when_its_lease_runs_out(self, stage: Stage) -> None:
        stage.publish("a", redeliver=False)
        lost, alive = stage.child(ttl_s=SHORT_TTL_S), stage.child(ttl_s=SHORT_TTL_S)
        lost.take_one()
        stage.recover_while_renewing(alive)
        assert alive.take_one().verdict == LOST

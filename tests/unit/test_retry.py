"""Retry policies: which errors are retried, how often, and after how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import BrokerUnavailable, ConfigurationError, Ignore, MaxRetriesExceeded
from treadle.retry import (
    Adaptive,
    Backoff,
    Exponential,
    Fibonacci,
    Fixed,
    GiveUp,
    Linear,
    RetryAfter,
    RetryPolicy,
    Strategy,
    decide,
    decide_requested,
    final_error,
)

RETRIES = st.integers(0, 10**6)
CHANCE = st.floats(0, 1, exclude_max=True)
SECONDS = st.floats(0, 1e9)
STRATEGIES: st.SearchStrategy[Backoff] = st.one_of(
    [st.builds(kind, SECONDS, SECONDS, jitter=st.booleans()) for kind in (Exponential, Linear, Fibonacci, Adaptive)]
)
ERRORS = st.sampled_from([None, ValueError("v"), ConnectionResetError(), TimeoutError()])


class ServerBusyError(Exception):
    def __init__(self, retry_after: object) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


class Response:
    def __init__(self, status_code: int, **headers: str) -> None:
        self.status_code = status_code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class HTTPStatusError(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class HostileError(Exception):
    @property
    def retry_after(self) -> float:
        raise RuntimeError("not sent yet")

    @property
    def response(self) -> object:
        raise RuntimeError("not sent yet")


def waits(strategy: Strategy, n: int = 7) -> list[float]:
    return [strategy.delay_s(retries, chance=0.5) for retries in range(n)]


class TestStrategies:
    def test_exponential_doubles_from_the_factor_to_the_cap(self) -> None:
        assert waits(Exponential(3, max_s=100, jitter=False)) == [3, 6, 12, 24, 48, 96, 100]

    def test_linear_adds_the_factor_each_time(self) -> None:
        assert waits(Linear(3, max_s=17, jitter=False)) == [3, 6, 9, 12, 15, 17, 17]

    def test_fibonacci_adds_the_last_two(self) -> None:
        assert waits(Fibonacci(2, jitter=False)) == [2, 2, 4, 6, 10, 16, 26]

    def test_fixed_never_changes_and_is_not_jittered(self) -> None:
        assert waits(Fixed(180), 3) == [180, 180, 180]

    def test_jitter_takes_a_share_of_the_wait_between_nothing_and_all_of_it(self) -> None:
        strategy = Exponential(10)
        assert [strategy.delay_s(1, chance=chance) for chance in (0, 0.25, 0.5)] == [0, 5, 10]

    @given(strategy=STRATEGIES, retries=RETRIES, chance=CHANCE, error=ERRORS)
    def test_any_wait_is_between_nothing_and_the_cap(
        self, strategy: Backoff, retries: int, chance: float, error: Exception | None
    ) -> None:
        assert 0 <= strategy.delay_s(retries, error=error, chance=chance) <= strategy.max_s

    @given(strategy=STRATEGIES, retries=RETRIES, error=ERRORS)
    def test_before_jitter_waits_never_shrink(self, strategy: Backoff, retries: int, error: Exception | None) -> None:
        bare = replace(strategy, jitter=False)
        assert bare.delay_s(retries, error=error, chance=0) <= bare.delay_s(retries + 1, error=error, chance=0)

    @pytest.mark.parametrize("wrong", [-1, float("inf"), float("nan"), True, "1", None])
    def test_a_factor_that_is_no_number_of_seconds_is_refused(self, wrong: float) -> None:
        with pytest.raises(ConfigurationError, match=r"factor_s is .* expected a number of seconds"):
            Exponential(wrong)


class TestAdaptive:
    def delay_s(self, error: BaseException, retries: int = 3) -> float:
        return Adaptive(jitter=False).delay_s(retries, error=error, chance=0)

    @pytest.mark.parametrize("asked", [30, 30.0, " 30 ", timedelta(seconds=30)])
    def test_an_error_that_says_when_to_come_back_is_believed(self, asked: object) -> None:
        assert self.delay_s(ServerBusyError(asked)) == 30

    def test_what_an_error_asks_for_is_not_jittered(self) -> None:
        assert Adaptive().delay_s(0, error=ServerBusyError(30), chance=0.1) == 30

    def test_what_an_error_asks_for_is_capped(self) -> None:
        assert self.delay_s(ServerBusyError(10**6)) == 600

    @pytest.mark.parametrize("nonsense", ["soon", "nan", True, object(), 10**400])
    def test_an_error_that_asks_for_nonsense_is_treated_as_any_other(self, nonsense: object) -> None:
        assert self.delay_s(ServerBusyError(nonsense)) == 8

    def test_the_retry_after_header_of_a_response_is_believed(self) -> None:
        assert self.delay_s(HTTPStatusError(Response(503, Retry_After="45"))) == 45

    def test_header_names_of_a_plain_dict_may_be_in_lower_case(self) -> None:
        assert self.delay_s(HTTPStatusError(Response(503, retry_after="45"))) == 45

    def test_a_retry_after_date_counts_from_the_date_of_the_same_response(self) -> None:
        response = Response(503, Retry_After="Wed, 21 Oct 2015 07:28:30 GMT", Date="Wed, 21 Oct 2015 07:28:00 GMT")
        assert self.delay_s(HTTPStatusError(response)) == 30

    @pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), BrokerUnavailable()])
    def test_an_outage_quadruples_the_wait(self, error: Exception) -> None:
        assert self.delay_s(error) == 64

    @pytest.mark.parametrize("name", ["ConnectTimeout", "ConnectError", "ServiceUnavailable", "RateLimitError"])
    def test_outages_of_foreign_libraries_are_known_by_their_names(self, name: str) -> None:
        assert self.delay_s(type(name, (Exception,), {})()) == 64

    @pytest.mark.parametrize(("status", "wait_s"), [(429, 64), (503, 64), (500, 8), (404, 8)])
    def test_the_http_status_tells_an_outage_from_an_error(self, status: int, wait_s: float) -> None:
        assert self.delay_s(HTTPStatusError(Response(status))) == wait_s

    def test_any_other_error_doubles_the_wait(self) -> None:
        assert self.delay_s(ValueError("connection")) == 8

    def test_attributes_that_raise_are_ignored(self) -> None:
        assert self.delay_s(HostileError()) == 8


class TestDecision:
    policy = RetryPolicy((OSError,), (FileNotFoundError,), max_retries=2, strategy=Fixed(7))

    def test_a_matching_error_is_retried_after_the_strategys_wait(self) -> None:
        assert decide(self.policy, OSError(), retries=0, chance=0) == RetryAfter(7)

    def test_an_error_that_does_not_match_is_not_retried(self) -> None:
        assert decide(self.policy, ValueError(), retries=0, chance=0) == GiveUp("error")

    def test_dont_autoretry_for_wins(self) -> None:
        assert decide(self.policy, FileNotFoundError(), retries=0, chance=0) == GiveUp("error")

    def test_max_retries_counts_retries_and_not_runs(self) -> None:
        decisions = [decide(self.policy, OSError(), retries=retries, chance=0) for retries in range(3)]
        assert decisions == [RetryAfter(7), RetryAfter(7), GiveUp("exhausted")]

    def test_without_a_limit_it_is_retried_for_ever(self) -> None:
        policy = RetryPolicy((OSError,), max_retries=None, strategy=Exponential(jitter=False))
        assert decide(policy, OSError(), retries=10**6, chance=0) == RetryAfter(600)

    def test_control_flow_is_never_taken_for_an_error(self) -> None:
        assert decide(RetryPolicy((Exception,)), Ignore(), retries=0, chance=0) == GiveUp("error")

    def test_a_retry_that_was_asked_for_needs_no_matching_error(self) -> None:
        assert decide_requested(self.policy, error=ValueError(), retries=0, chance=0) == RetryAfter(7)

    def test_countdown_and_max_retries_of_the_call_replace_the_policys(self) -> None:
        decision = decide_requested(self.policy, retries=2, chance=0, countdown_s=1, max_retries=3)
        assert decision == RetryAfter(1)

    def test_a_countdown_below_zero_means_now(self) -> None:
        assert decide_requested(self.policy, retries=0, chance=0, countdown_s=-5) == RetryAfter(0)

    def test_a_used_up_retry_ends_with_the_error_that_was_passed_on(self) -> None:
        error = ValueError("why")
        assert final_error(error, task="app.add", retries=3) is error

    def test_a_used_up_retry_without_an_error_says_so(self) -> None:
        error = final_error(None, task="app.add", retries=3)
        assert isinstance(error, MaxRetriesExceeded)
        assert str(error) == "app.add asked for another retry, but all 3 of its retries are used up"

    def test_expected_errors_are_those_of_throws(self) -> None:
        policy = RetryPolicy(throws=(KeyError,))
        assert (policy.is_expected(KeyError()), policy.is_expected(ValueError())) == (True, False)

    @pytest.mark.parametrize("answer", [float("nan"), "soon", None, ZeroDivisionError()])
    def test_a_broken_strategy_of_a_user_does_not_stop_the_job_from_being_given_back(
        self, answer: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            def delay_s(self, retries: int, *, error: BaseException | None = None, chance: float) -> float:
                if isinstance(answer, Exception):
                    raise answer
                return answer  # type: ignore[return-value]

        policy = RetryPolicy((OSError,), strategy=Broken())
        assert decide(policy, OSError(), retries=0, chance=0) == RetryAfter(180)
        assert "retry strategy" in caplog.text

    def test_a_policy_tells_its_wait_without_a_decision(self) -> None:
        assert self.policy.delay_s(0, chance=0.5) == 7

    @pytest.mark.parametrize(("answer", "wait_s"), [(-3.0, 0.0), (float("inf"), 31_536_000.0)])
    def test_a_users_strategy_is_kept_within_nothing_and_a_year(self, answer: float, wait_s: float) -> None:
        class Odd:
            def delay_s(self, retries: int, *, error: BaseException | None = None, chance: float) -> float:
                return answer

        assert decide(RetryPolicy((OSError,), strategy=Odd()), OSError(), retries=0, chance=0) == RetryAfter(wait_s)


class TestOptions:
    def test_the_defaults_are_celerys(self) -> None:
        assert RetryPolicy.from_options() == RetryPolicy((), (), 3, Fixed(180), ())

    @pytest.mark.parametrize(("backoff", "factor_s"), [(True, 1), (5, 5), (0.5, 0.5)])
    def test_retry_backoff_is_an_exponential_with_cap_and_jitter(self, backoff: float, factor_s: float) -> None:
        assert RetryPolicy.from_options(retry_backoff=backoff).strategy == Exponential(factor_s, 600, jitter=True)

    def test_retry_backoff_off_is_the_default_delay(self) -> None:
        assert RetryPolicy.from_options(retry_backoff=False, default_retry_delay=9).strategy == Fixed(9)

    @pytest.mark.parametrize(
        ("name", "kind"),
        [("exponential", Exponential), ("linear", Linear), ("fibonacci", Fibonacci), ("adaptive", Adaptive)],
    )
    def test_a_strategy_may_be_named_and_takes_the_other_options(self, name: str, kind: type[Linear]) -> None:
        policy = RetryPolicy.from_options(
            retry_strategy=name, retry_backoff=2, retry_backoff_max=50, retry_jitter=False
        )
        assert policy.strategy == kind(2, 50, jitter=False)

    def test_a_strategy_may_be_an_object(self) -> None:
        assert RetryPolicy.from_options(retry_strategy=Linear(4)).strategy == Linear(4)

    def test_errors_may_be_one_class_or_several(self) -> None:
        policy = RetryPolicy.from_options(autoretry_for=OSError, throws=[KeyError, IndexError])
        assert (policy.autoretry_for, policy.throws) == ((OSError,), (KeyError, IndexError))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"retry_strategy": "exponental"}, "did you mean 'exponential'"),
            ({"retry_strategy": ""}, "is unknown; known: exponential, linear, fibonacci, adaptive"),
            ({"retry_strategy": Linear}, "not a class"),
            ({"retry_strategy": 5}, "retry_strategy is 5"),
            ({"retry_strategy": Linear(), "retry_backoff": 3}, "exclude each other"),
            ({"retry_backoff": -1}, "retry_backoff is -1"),
            ({"retry_backoff_max": "600"}, "retry_backoff_max is '600'"),
            ({"retry_backoff": True, "retry_jitter": "yes"}, "jitter is 'yes'"),
            ({"default_retry_delay": None}, "default_retry_delay is None"),
            ({"max_retries": -1}, "max_retries is -1"),
            ({"max_retries": True}, "max_retries is True"),
            ({"max_retries": 1.5}, "max_retries is 1.5"),
            ({"autoretry_for": "OSError"}, "autoretry_for contains 'OSError'"),
            ({"dont_autoretry_for": [OSError()]}, "dont_autoretry_for contains OSError"),
            ({"throws": int}, "throws contains <class 'int'>"),
        ],
    )
    def test_a_wrong_option_is_named(self, options: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            RetryPolicy.from_options(**options)  # type: ignore[arg-type]
        assert message in str(caught.value)

"""Whether a failed job runs again, and when: one pure decision.

    decision = decide(policy, error, retries=delivery.attempt, chance=random())
    match decision:
        case RetryAfter(delay_s): ...
        case GiveUp(reason): ...

The options and their meaning are Celery's; `retry_strategy` is ours.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias, cast

from treadle.exceptions import ConfigurationError, MaxRetriesExceeded, TaskControl
from treadle.naming import nearest
from treadle.retry.backoff import (
    DEFAULT_MAX_S,
    Adaptive,
    Backoff,
    Exponential,
    Fibonacci,
    Fixed,
    Linear,
    Strategy,
    require_seconds,
)

DEFAULT_MAX_RETRIES = 3
#: A year. Longer waits are somebody's slip, and would not fit every store's clock.
LONGEST_WAIT_S = 365 * 86_400.0

ErrorClasses: TypeAlias = tuple[type[BaseException], ...]

_NAMED: dict[str, type[Backoff]] = {
    "exponential": Exponential,
    "linear": Linear,
    "fibonacci": Fibonacci,
    "adaptive": Adaptive,
}
_log = logging.getLogger(__name__)


class RetryAfter(NamedTuple):
    """Run it again, `delay_s` seconds from now by the store's clock."""

    delay_s: float


class GiveUp(NamedTuple):
    """It failed for good: `error` is not one to retry for, or the retries are `exhausted`."""

    reason: Literal["error", "exhausted"]


Decision: TypeAlias = RetryAfter | GiveUp


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """For which errors a task is retried, how often, and after how long."""

    #: Errors that are retried without the task asking for it.
    autoretry_for: ErrorClasses = ()
    #: Exceptions to that, which win.
    dont_autoretry_for: ErrorClasses = ()
    #: Retries, not runs: with 3 a task runs up to four times. None: for ever.
    max_retries: int | None = DEFAULT_MAX_RETRIES
    strategy: Strategy = field(default_factory=Fixed)
    #: Errors that are part of the task's normal life: a failure all the same, but logged without a traceback.
    throws: ErrorClasses = ()

    @classmethod
    def from_options(
        cls,
        *,
        autoretry_for: object = (),
        dont_autoretry_for: object = (),
        max_retries: object = DEFAULT_MAX_RETRIES,
        default_retry_delay: float = 180.0,
        retry_backoff: bool | float = False,
        retry_backoff_max: float = DEFAULT_MAX_S,
        retry_jitter: bool = True,
        retry_strategy: object = None,
        throws: object = (),
    ) -> RetryPolicy:
        """The policy that a task's options describe.

        `retry_backoff` is True (1 s) or the first wait in seconds, and then grows exponentially, unless
        `retry_strategy` names another growth. Without either, the wait is `default_retry_delay`. Errors
        may be given as one class or as several. Raises ConfigurationError naming the wrong option.
        """
        require_seconds("default_retry_delay", default_retry_delay)
        require_seconds("retry_backoff_max", retry_backoff_max)
        if retry_strategy is None and not retry_backoff:
            strategy: Strategy = Fixed(default_retry_delay)
        else:
            factor_s = _factor_s(retry_backoff)
            strategy = _strategy(retry_strategy, factor_s=factor_s, max_s=retry_backoff_max, jitter=retry_jitter)
        return cls(
            autoretry_for=_error_classes("autoretry_for", autoretry_for),
            dont_autoretry_for=_error_classes("dont_autoretry_for", dont_autoretry_for),
            max_retries=_retry_count(max_retries),
            strategy=strategy,
            throws=_error_classes("throws", throws),
        )

    def is_retried(self, error: BaseException) -> bool:
        """Whether this error alone makes the task run again, while retries are left."""
        return (
            isinstance(error, self.autoretry_for)
            and not isinstance(error, self.dont_autoretry_for)
            and not isinstance(error, TaskControl)
        )

    def delay_s(self, retries: int, *, chance: float, error: BaseException | None = None) -> float:
        """Seconds to wait after `retries` retries, between 0 and a year, whatever the strategy answers."""
        try:
            return _bounded(self.strategy.delay_s(retries, error=error, chance=chance))
        except Exception:  # noqa: BLE001 - a user's strategy; the job must be given back whatever it does
            _log.exception("retry strategy %r failed; waiting %s s instead", self.strategy, Fixed().wait_s)
            return Fixed().wait_s

    def is_expected(self, error: BaseException) -> bool:
        """Whether the task announced this error with `throws`."""
        return isinstance(error, self.throws)


def decide(policy: RetryPolicy, error: BaseException, *, retries: int, chance: float) -> Decision:
    """What becomes of a job whose run ended with `error`, after `retries` retries.

    `chance` is uniform in [0, 1). When it gives up, the job failed with `error` itself.
    """
    if not policy.is_retried(error):
        return GiveUp("error")
    return decide_requested(policy, retries=retries, chance=chance, error=error)


def decide_requested(
    policy: RetryPolicy,
    *,
    retries: int,
    chance: float,
    error: BaseException | None = None,
    countdown_s: float | None = None,
    max_retries: int | None = None,
) -> Decision:
    """What becomes of a job that asks for a retry by itself (`self.retry()`), whatever the error.

    `countdown_s` replaces the policy's wait and `max_retries` its limit, for this time. `final_error`
    gives the error of a job that gives up.
    """
    limit = policy.max_retries if max_retries is None else _retry_count(max_retries)
    if limit is not None and retries >= limit:
        return GiveUp("exhausted")
    if countdown_s is None:
        return RetryAfter(policy.delay_s(retries, chance=chance, error=error))
    return RetryAfter(_bounded(countdown_s))


def final_error(error: BaseException | None, *, task: str, retries: int) -> BaseException:
    """The error of a job whose retries are used up: the one that was passed on, else MaxRetriesExceeded."""
    if error is not None:
        return error
    return MaxRetriesExceeded(f"{task} asked for another retry, but all {retries} of its retries are used up")


def _bounded(wait_s: float) -> float:
    if math.isnan(wait_s):
        raise ValueError("a wait is not a number")
    return float(max(0.0, min(wait_s, LONGEST_WAIT_S)))


def _strategy(chosen: object, *, factor_s: float | None, max_s: float, jitter: bool) -> Strategy:
    if isinstance(chosen, str | None):
        name = "exponential" if chosen is None else chosen
        return _named_strategy(name, factor_s=factor_s, max_s=max_s, jitter=jitter)
    if isinstance(chosen, type) or not isinstance(chosen, Strategy):
        raise ConfigurationError(
            f"retry_strategy is {chosen!r}; expected one of {', '.join(_NAMED)}, or an object (not a class) "
            "with a method delay_s(retries, *, error, chance)"
        )
    if factor_s is not None:
        raise ConfigurationError("retry_backoff and a retry_strategy object exclude each other: give the object alone")
    return chosen


def _named_strategy(name: str, *, factor_s: float | None, max_s: float, jitter: bool) -> Strategy:
    if name not in _NAMED:
        known = ", ".join(_NAMED)
        raise ConfigurationError(f"retry_strategy {name!r} is unknown{nearest(name.lower(), _NAMED)}; known: {known}")
    return _NAMED[name](factor_s=1.0 if factor_s is None else factor_s, max_s=max_s, jitter=jitter)


def _factor_s(retry_backoff: bool | float) -> float | None:
    """The factor that `retry_backoff` stands for; None if it is off."""
    if isinstance(retry_backoff, bool):
        return 1.0 if retry_backoff else None
    require_seconds("retry_backoff", retry_backoff)
    return retry_backoff or None


def _retry_count(given: object) -> int | None:
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 0):
        return given
    raise ConfigurationError(f"max_retries is {given!r}; expected a number, 0 or more, or None for ever")


def _error_classes(option: str, given: object) -> ErrorClasses:
    classes: tuple[object, ...] = (given,)
    if isinstance(given, Iterable) and not isinstance(given, str | type):
        classes = tuple(cast("Iterable[object]", given))
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise ConfigurationError(f"{option} contains {each!r}; expected exception classes")
    return cast("ErrorClasses", classes)

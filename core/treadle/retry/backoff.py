"""How long to wait before a retry: strategies as frozen values, each a pure function.

`retries` is the number of retries that went before (0: the first one is being planned), as Celery
counts them. `chance` is uniform in [0, 1) and comes from the caller, as does the error.

Waits are capped first and then jittered. Jitter is *full*: uniform between 0 and the capped wait. That
spreads a herd of failing jobs best (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from treadle.exceptions import ConfigurationError
from treadle.retry.error_facts import read_facts

#: Celery's `retry_backoff_max`.
DEFAULT_MAX_S = 600.0


@runtime_checkable
class Strategy(Protocol):
    """What `retry_strategy` may be: an object with this method."""

    def delay_s(self, retries: int, *, error: BaseException | None = None, chance: float) -> float:
        """Seconds to wait before the next run, 0 or more."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same wait each time, without jitter: Celery's `default_retry_delay`."""

    wait_s: float = 180.0

    def __post_init__(self) -> None:
        require_seconds("wait_s", self.wait_s)

    def delay_s(self, retries: int, *, error: BaseException | None = None, chance: float) -> float:
        """`wait_s`, whatever happened."""
        return float(self.wait_s)


@dataclass(frozen=True, slots=True)
class Backoff:
    """What the growing strategies share: a factor, a cap and jitter. They differ in `growth`."""

    factor_s: float = 1.0
    max_s: float = DEFAULT_MAX_S
    jitter: bool = True

    def __post_init__(self) -> None:
        require_seconds("factor_s", self.factor_s)
        require_seconds("max_s", self.max_s)
        if self.jitter not in (True, False):
            raise ConfigurationError(f"jitter is {self.jitter!r}; expected True (uniform in [0, wait]) or False")

    def growth(self, retries: int, error: BaseException | None) -> float:
        """By how much the factor is multiplied: 1 or more, may be infinite."""
        raise NotImplementedError

    def delay_s(self, retries: int, *, error: BaseException | None = None, chance: float) -> float:
        """`factor_s` times the growth, at most `max_s`; with jitter a random share of that."""
        # A zero factor would make 0 * inf, which is not a number.
        wait_s = min(self.max_s, self.factor_s * self.growth(retries, error)) if self.factor_s else 0.0
        return wait_s * chance if self.jitter else float(wait_s)


@dataclass(frozen=True, slots=True)
class Exponential(Backoff):
    """1, 2, 4, 8 ... times `factor_s`: Celery's `retry_backoff`."""

    def growth(self, retries: int, error: BaseException | None) -> float:
        """2 to the power of `retries`."""
        return power(2.0, retries)


@dataclass(frozen=True, slots=True)
class Linear(Backoff):
    """1, 2, 3, 4 ... times `factor_s`."""

    def growth(self, retries: int, error: BaseException | None) -> float:
        """`retries` + 1."""
        return retries + 1.0


@dataclass(frozen=True, slots=True)
class Fibonacci(Backoff):
    """1, 1, 2, 3, 5, 8 ... times `factor_s`: slower than doubling, faster than linear."""

    def growth(self, retries: int, error: BaseException | None) -> float:
        """The Fibonacci number at `retries` (from 0), or the first beyond the cap."""
        number, following = 1.0, 1.0
        for _ in range(retries):
            if number * self.factor_s >= self.max_s:
                break
            number, following = following, number + following
        return number


@dataclass(frozen=True, slots=True)
class Adaptive(Backoff):
    """Looks at the error before it decides.

    1. If the error says when to come back (`retry_after`, or the HTTP header `Retry-After` of its
       response), that is the wait: not jittered, since coming earlier is refused again, but capped.
    2. If the other side is away or overloaded (a connection or timeout error, HTTP 408, 429, 502, 503,
       504), the wait is quadrupled each time: 1, 4, 16, 64 ... times `factor_s`.
    3. Any other error doubles it, as `Exponential` does.

    `treadle.retry.error_facts` says where it looks.
    """

    def growth(self, retries: int, error: BaseException | None) -> float:
        """2 or 4 to the power of `retries`."""
        return power(4.0 if error is not None and read_facts(error).is_outage else 2.0, retries)

    def delay_s(self, retries: int, *, error: BaseException | None = None, chance: float) -> float:
        """The wait the error asks for, else a backoff whose steepness depends on it."""
        asked_s = read_facts(error).retry_after_s if error is not None else None
        if asked_s is not None:
            return float(min(asked_s, self.max_s))
        return Backoff.delay_s(self, retries, error=error, chance=chance)


def power(base: float, exponent: int) -> float:
    """`base ** exponent`, infinite where a float would overflow."""
    try:
        return base**exponent
    except OverflowError:
        return math.inf


def require_seconds(name: str, value: object) -> None:
    """Raise ConfigurationError unless `value` is a finite number of seconds, 0 or more."""
    # True is an int, but as a number of seconds it is a slip.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigurationError(f"{name} is {value!r}; expected a number of seconds, 0 or more")

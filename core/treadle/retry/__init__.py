"""When a failed job runs again: the policy of a task, and the strategies it may follow."""

from treadle.retry.backoff import Adaptive, Backoff, Exponential, Fibonacci, Fixed, Linear, Strategy
from treadle.retry.policy import (
    Decision,
    ErrorClasses,
    GiveUp,
    RetryAfter,
    RetryPolicy,
    decide,
    decide_requested,
    final_error,
)

__all__ = [
    "Adaptive",
    "Backoff",
    "Decision",
    "ErrorClasses",
    "Exponential",
    "Fibonacci",
    "Fixed",
    "GiveUp",
    "Linear",
    "RetryAfter",
    "RetryPolicy",
    "Strategy",
    "decide",
    "decide_requested",
    "final_error",
]

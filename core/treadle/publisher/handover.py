"""How jobs are handed to the broker: at once, again after an outage, or inside the caller's transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from itertools import count
from typing import Any, NamedTuple

from treadle.exceptions import BrokerUnavailable, ConfigurationError, NotSupported
from treadle.interfaces import Broker
from treadle.job import Job
from treadle.naming import nearest

#: Celery's words and defaults for `retry_policy`; seconds, but for `max_retries`.
_POLICY: Mapping[str, float | None] = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}


class Terms(NamedTuple):
    """What a call says about being handed over."""

    #: The caller's connection or session, whose transaction the jobs join.
    connection: Any = None
    #: How an unavailable broker is tried again; None: not at all, beyond what the broker does itself.
    policy: Mapping[str, float | None] | None = None


#: The terms of the hand-over that goes on here. Middleware lies between who knows them and who needs
#: them, and its last call must stay the same one, so that the stack is folded once.
terms_var: ContextVar[Terms | None] = ContextVar("treadle_hand_over", default=None)


def terms_of(options: Mapping[str, Any]) -> Terms | None:
    """The terms in a call's options, or None for plain ones. Raises ConfigurationError."""
    connection, session = options.get("connection"), options.get("session")
    if connection is not None and session is not None:
        raise ConfigurationError("session= and connection= were both given: a job joins one transaction")
    connection = session if connection is None else connection
    policy = _policy(options.get("retry"), options.get("retry_policy"))
    return None if connection is None and policy is None else Terms(connection, policy)


def hand_over(broker: Broker, jobs: Sequence[Job]) -> None:
    """Publish on the current terms. Raises BrokerUnavailable; whoever repeats it doubles nothing."""
    terms = terms_var.get()
    if terms is None:
        broker.publish(jobs)
    elif terms.connection is not None:
        # Never tried again: what a failed statement leaves of a transaction is for its owner to decide.
        _join(broker, jobs, terms.connection)
    else:
        _insist(broker, jobs, terms.policy or _POLICY)


def pauses_s(policy: Mapping[str, float | None]) -> Iterator[float]:
    """The waits between attempts, in seconds; `max_retries` None goes on for ever."""
    start_s, step_s, max_s = (policy[name] or 0.0 for name in ("interval_start", "interval_step", "interval_max"))
    for retry in count():
        if policy["max_retries"] is not None and retry >= policy["max_retries"]:
            return
        yield min(start_s + step_s * retry, max_s)


def _join(broker: Broker, jobs: Sequence[Job], connection: Any) -> None:
    if not broker.features.transactions:
        raise NotSupported(
            f"{broker.safe_url} cannot join a database transaction: publish without session= or connection=, "
            "after the commit"
        )
    broker.publish(jobs, connection=connection)


def _insist(broker: Broker, jobs: Sequence[Job], policy: Mapping[str, float | None]) -> None:
    for pause_s in pauses_s(policy):
        try:
            broker.publish(jobs)
        except BrokerUnavailable:
            time.sleep(pause_s)
        else:
            return
    broker.publish(jobs)


def _policy(retry: Any, policy: Mapping[str, Any] | None) -> Mapping[str, float | None] | None:
    if retry is False or (policy is None and not retry):
        return None
    given = policy or {}
    for name, value in given.items():
        if name not in _POLICY:
            known = ", ".join(_POLICY)
            raise ConfigurationError(f"retry_policy has no {name!r}{nearest(name, _POLICY)}; it has {known}")
        if (value is None and name != "max_retries") or (value is not None and not _is_count(value)):
            raise ConfigurationError(f"retry_policy[{name!r}]={value!r}: expected a number, 0 or more")
    return {**_POLICY, **given}


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0

"""What an error says about when to try again. Pure: no clock is read.

HTTP and database clients do not share a base class for "the other side is away", so besides Python's
own classes the names of an error's classes are looked at, and the places where the common HTTP clients
(requests, httpx, aiohttp, urllib) keep status and headers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple, cast

from treadle.exceptions import BrokerUnavailable

#: Request Timeout, Too Many Requests, Bad Gateway, Service Unavailable, Gateway Timeout (RFC 9110, RFC 6585).
OUTAGE_STATUSES = frozenset({408, 429, 502, 503, 504})
OUTAGE_CLASSES = (ConnectionError, TimeoutError, BrokerUnavailable)
#: Parts of class names, in lower case: `ConnectError`, `ReadTimeout`, `ServiceUnavailable`, `Throttled` ...
OUTAGE_WORDS = ("connect", "timeout", "timedout", "unavailable", "ratelimit", "throttl", "toomanyrequests")


class ErrorFacts(NamedTuple):
    """What was read from an error."""

    #: Seconds after which to come back, as the other side asked; None if it did not say.
    retry_after_s: float | None
    #: The other side is away or overloaded, so that trying soon makes it worse.
    is_outage: bool


def read_facts(error: BaseException) -> ErrorFacts:
    """The facts of an error. Never raises, whatever the error's attributes do."""
    return ErrorFacts(_retry_after_s(error), _is_outage(error))


def _retry_after_s(error: BaseException) -> float | None:
    asked = _read(error, "retry_after")
    if asked is not None:
        return _seconds(asked)
    for holder in (_read(error, "response"), error):
        headers = _read(holder, "headers")
        if hasattr(headers, "get"):
            return _header_seconds(_header(headers, "Retry-After"), _header(headers, "Date"))
    return None


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, OUTAGE_CLASSES) or _status(error) in OUTAGE_STATUSES:
        return True
    names = (ancestor.__name__.lower().replace("_", "") for ancestor in type(error).__mro__)
    return any(word in name for name in names for word in OUTAGE_WORDS)


def _status(error: BaseException) -> object:
    for holder in (_read(error, "response"), error):
        for name in ("status_code", "status", "code"):
            found = _read(holder, name)
            if isinstance(found, int):
                return found
    return None


def _header_seconds(retry_after: str, date: str) -> float | None:
    """Seconds of a Retry-After header: a number, or a date (RFC 9110, 10.2.3).

    A date is counted from the Date header of the same response, so that no two clocks are compared.
    """
    seconds = _seconds(retry_after)
    if seconds is not None or not (retry_after and date):
        return seconds
    # Here, because it loads sockets and MIME, which `import treadle` has no use for.
    from email.utils import parsedate_to_datetime

    try:
        waits = parsedate_to_datetime(retry_after) - parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return max(0.0, waits.total_seconds())


def _seconds(asked: object) -> float | None:
    """`asked` as seconds, or None if it is not a wait."""
    if isinstance(asked, timedelta):
        asked = asked.total_seconds()
    if isinstance(asked, bool) or not isinstance(asked, int | float | str):
        return None
    try:
        seconds = float(asked)
    except (ValueError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _header(headers: object, name: str) -> str:
    """A header by name; plain dicts are tried in lower case too. Empty if there is none."""
    for spelling in (name, name.lower()):
        try:
            found = cast("Mapping[str, object]", headers).get(spelling)
        except Exception:  # noqa: BLE001 - somebody else's mapping
            return ""
        if found is not None:
            return found.decode("latin-1") if isinstance(found, bytes) else str(found)
    return ""


def _read(holder: object, name: str) -> object:
    """An attribute, or None. Properties of foreign errors may raise anything (httpx: RuntimeError)."""
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - somebody else's property
        return None

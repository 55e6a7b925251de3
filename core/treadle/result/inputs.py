"""The values of jobs that others take: read from the store when they are needed.

A join has no value of its own. It says, in its options, what it makes of its inputs: the list of their values, or of
their outcomes; a job that was replaced has the value of what replaced it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from treadle.edges import RESULT_PLACE, Input
from treadle.request import decode_options
from treadle.result.failing import error_of
from treadle.result.outcome import Outcome

if TYPE_CHECKING:
    from treadle.interfaces import Broker

#: From the bytes of a result to its value.
Decode = Callable[[bytes], Any]

_PAGE = 200


def value_of(store: Broker, decode: Decode, source: Input) -> Any:
    """The value of a job that has succeeded."""
    if source.is_join:
        return joined_value(store, decode, source.id, source.options)
    return decode(source.result) if source.result else None


def joined_value(store: Broker, decode: Decode, id: str, options: bytes) -> Any:
    """The value of a join that has succeeded."""
    inputs = all_inputs(store, id)
    first = next(inputs, None)
    while first is not None and first.place == RESULT_PLACE:
        if not first.is_join:
            return value_of(store, decode, first)
        id, options = first.id, first.options
        inputs = all_inputs(store, id)
        first = next(inputs, None)
    sources = [] if first is None else [first, *inputs]
    if decode_options(options).get("input") == "outcomes":
        return [outcome_of(store, decode, source) for source in sources if source.place >= 0]
    return [value_of(store, decode, source) for source in sources if source.place >= 0]


def outcome_of(store: Broker, decode: Decode, source: Input) -> Outcome[Any]:
    """How a job ended."""
    index, state, reason = source.place, source.state, source.reason
    if state == "succeeded":
        return Outcome(source.id, index, state, reason, value=value_of(store, decode, source))
    return Outcome(source.id, index, state, reason, error=error_of(source.id, state, reason, source.error))


def all_inputs(store: Broker, id: str) -> Iterator[Input]:
    """What became of the jobs that lead to this one, by their place: what it was replaced by first."""
    after = RESULT_PLACE - 1
    while page := store.inputs(id, after=after, limit=_PAGE):
        yield from page
        after = page[-1].place

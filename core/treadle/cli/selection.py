"""Which jobs a command is about: those named, or all that match."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

import click

from treadle.interfaces import Filter
from treadle.job import FINAL_STATES, LIVE_STATES, State

if TYPE_CHECKING:
    from treadle.interfaces import Broker

P = ParamSpec("P")
R = TypeVar("R")

#: Jobs that one call to the broker is about.
BATCH = 500


class Selection(NamedTuple):
    """What the options of `selecting` said."""

    ids: tuple[str, ...]
    criteria: Filter
    is_all: bool

    def checked(self, *, state: State | None = None) -> Selection:
        """The selection, if it is clear what it is about; `state` is what `--all` means where it says no state."""
        criteria = self.criteria
        if self.ids:
            if self.is_all or criteria != Filter():
                raise click.UsageError("give the ids of jobs, or --all with what they have in common; not both")
            return self
        if not self.is_all:
            raise click.UsageError("give the ids of jobs, or --all with --state, --queue, --task or --reason")
        if criteria.state is None:
            criteria = Filter(state, criteria.queue, criteria.task, criteria.reason)
        if criteria == Filter():
            raise click.UsageError("--all needs --state, --queue, --task or --reason, so that it is not all there is")
        return self._replace(criteria=criteria)

    def resolve(self, broker: Broker) -> list[str]:
        """The ids. Jobs that come to match later are not among them."""
        return list(dict.fromkeys(self.ids)) or [record.id for record in matching(broker, self.criteria)]


def matching(broker: Broker, criteria: Filter) -> Iterator[Any]:
    """The records of all jobs that match, newest first."""
    cursor = ""
    while True:
        page = broker.query(criteria, limit=BATCH, cursor=cursor)
        yield from page.records
        cursor = page.next_cursor
        if not cursor:
            return


def in_batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids, as many at a time as one call should be about."""
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def filtering(function: Callable[P, R]) -> Callable[P, R]:
    """The options that say what jobs have in common."""
    for option in (
        click.option("--reason", help="Why they ended: exhausted, crashed, expired ..."),
        click.option("--task", help="The name of their task."),
        click.option("--queue", help="Their queue."),
        click.option("--state", type=click.Choice([*LIVE_STATES, *FINAL_STATES]), help="Where they stand."),
    ):
        function = option(function)
    return function


def selecting(function: Callable[P, R]) -> Callable[P, R]:
    """The argument and options that name jobs."""
    function = filtering(function)
    function = click.option("--all", "is_all", is_flag=True, help="All jobs that match the other options.")(function)
    return click.argument("ids", nargs=-1, metavar="[ID]...")(function)

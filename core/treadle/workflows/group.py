"""Many at once: a group, whose result is the list of its members' results."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

from treadle.exceptions import ConfigurationError
from treadle.workflows.signature import Signature, as_list

if TYPE_CHECKING:
    from treadle.app import Treadle

NAME: Final = "treadle.group"


class Feed:
    """Members that do not exist yet: an iterator that is read once, by whoever needs it first.

    It is no list on purpose: `json.dumps` of a group that nobody has filled yet fails, and is not silently empty.
    """

    def __init__(self, source: Iterable[Any]) -> None:
        self._source: Iterator[Any] = iter(source)
        self._is_begun = False

    def begin(self) -> None:
        """Before the first member is taken. Raises ConfigurationError if somebody else has taken some."""
        if self._is_begun:
            raise ConfigurationError(
                "this group's generator was read when it was published before: make the group anew, or of a list"
            )
        self._is_begun = True

    def peek(self) -> Signature | None:
        """The next member, which stays; None at the end."""
        for first in self._source:
            self._source = chain([first], self._source)
            return Signature.from_dict(first)
        return None

    def take(self, count: int, within_s: float = inf) -> list[Signature]:
        """The next members, `count` at most, and those at least that come within a time; none at the end."""
        taken: list[Any] = []
        ends_s = time.monotonic() + within_s
        for member in islice(self._source, count):
            taken.append(member)
            if time.monotonic() >= ends_s:
                break
        return as_list(taken)

    def __iter__(self) -> Iterator[Signature]:
        self.begin()
        while members := self.take(500):
            yield from members


class Group(Signature):
    """Calls that run side by side. Of a generator, members run while others are still being generated.

    `link` is called with the list of all results, `link_error` once for each member that fails. Options given to it
    are those of every member that does not say its own.
    """

    kind = "group"

    def __init__(self, tasks: Iterable[Mapping[str, Any]] = (), *, app: Treadle | None = None, **options: Any) -> None:
        members: Any = _flat(as_list(tasks)) if isinstance(tasks, Sequence) else Feed(tasks)
        super().__init__(NAME, (), {"tasks": members}, options, app=app)

    @classmethod
    def revived(cls, content: Mapping[str, Any], app: Treadle | None) -> Signature:
        """One of this kind, with that content."""
        made = super().revived(content, app)
        tasks = content["kwargs"]["tasks"]
        made.kwargs["tasks"] = tasks if isinstance(tasks, Feed) else as_list(tasks)
        return made

    @property
    def feed(self) -> Feed | None:
        """Where its members still come from; None once they are all there."""
        tasks = self.kwargs["tasks"]
        return tasks if isinstance(tasks, Feed) else None

    @property
    def tasks(self) -> list[Signature]:
        """The members. Reads all that are still to come."""
        if (feed := self.feed) is not None:
            self.kwargs["tasks"] = _flat(list(feed))
        members: list[Signature] = self.kwargs["tasks"]
        return members

    def parts(self) -> Iterable[Signature]:
        """The members."""
        return self.tasks

    def named_app(self) -> Treadle | None:
        """The app that it or a member was made for, if any; of a feed, the first member."""
        if self.own_app is not None or self.feed is None:
            return super().named_app()
        first = self.feed.peek()
        return None if first is None else first.named_app()

    def clone(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Group:
        """A copy of all members, each with these arguments in front. A feed is shared: it can be read once."""
        copy = super().clone((), {}, **options)
        if self.feed is None or args or kwargs:
            copy.kwargs["tasks"] = [member.clone(args, kwargs) for member in self.tasks]
        return copy

    def skew(self, start: float = 1.0, stop: float | None = None, step: float = 1.0) -> Group:
        """Let the members start one after the other: `start`, `start + step` ... seconds from the call; not after
        `stop`, where it begins anew. Answers itself."""
        wait_s = start
        for member in self.tasks:
            member.set(countdown=wait_s)
            wait_s += step
            if stop is not None and wait_s > stop:
                wait_s = start
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`delay`, as in Celery."""
        return self.delay(*args, **kwargs)

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter(self.tasks) if self.feed is None else iter(self.feed)

    def __repr__(self) -> str:
        return f"group({self.kwargs['tasks'] if self.feed is None else '...'})"


def group(*tasks: Any, app: Treadle | None = None, **options: Any) -> Group:
    """A group of the calls, given one by one or as one iterable, which may be a generator."""
    if len(tasks) != 1:
        return Group(tasks, app=app, **options)
    given: Any = Signature.from_dict(cast("dict[str, Any]", tasks[0]), app) if isinstance(tasks[0], dict) else tasks[0]
    if isinstance(given, Group) and not options:
        return given.clone()
    return Group([given] if isinstance(given, Signature) else given, app=app, **options)


def _flat(members: Iterable[Signature]) -> list[Signature]:
    """Groups within a group are only a way of writing one, unless they say something of their own."""
    found: list[Signature] = []
    for member in members:
        found += member.tasks if isinstance(member, Group) and not member.options else [member]
    return found

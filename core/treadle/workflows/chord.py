"""A group, and a call that gets the list of its results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from treadle.exceptions import ConfigurationError
from treadle.workflows.group import Group, group
from treadle.workflows.signature import Signature

if TYPE_CHECKING:
    from treadle.app import Treadle

NAME: Final = "treadle.chord"

#: How many members must succeed before the body runs, as it is written.
POLICIES: Final = ("all_success", "all_done", "any")


class Chord(Signature):
    """A header, whose members run side by side, and a body that is called with the list of their results.

    `join` says what the body waits for: `"all_success"` (a member that fails fails the chord), `"all_done"` or
    `at_least(n)` or `"any"`: then the body gets the members' outcomes, not their values. `link` is called with the
    body's result, `link_error` once if the body fails or never runs; other options are the members'.
    """

    kind = "chord"

    def __init__(
        self,
        header: Any,
        body: Mapping[str, Any] | None = None,
        *,
        join: str = "all_success",
        app: Treadle | None = None,
        **options: Any,
    ) -> None:
        checked_policy(join)
        members = header if isinstance(header, Group) else group(header, app=app)
        followed_by = None if body is None else Signature.from_dict(body, app=app)
        super().__init__(NAME, (), {"header": members, "body": followed_by, "join": join}, options, app=app)

    @classmethod
    def revived(cls, content: Mapping[str, Any], app: Treadle | None) -> Signature:
        """One of this kind, with that content."""
        made = super().revived(content, app)
        parts = content["kwargs"]
        made.kwargs["header"] = group(parts["header"], app=app)
        made.kwargs["body"] = None if parts.get("body") is None else Signature.from_dict(parts["body"], app)
        made.kwargs.setdefault("join", "all_success")
        return made

    @property
    def header(self) -> Group:
        """The members."""
        members: Group = self.kwargs["header"]
        return members

    @property
    def tasks(self) -> list[Signature]:
        """The members of the header."""
        return self.header.tasks

    @property
    def body(self) -> Signature | None:
        """What follows; None until it is given."""
        body: Signature | None = self.kwargs["body"]
        return body

    def parts(self) -> Iterable[Signature]:
        """The header, and the body."""
        return [self.header] if self.body is None else [self.header, self.body]

    def with_body(self, body: Signature) -> Chord:
        """The same header with another body."""
        copy = self.clone()
        copy.kwargs["body"] = body
        return copy

    def clone(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Chord:
        """A copy. Arguments go to the members of the header."""
        copy = super().clone((), {}, **options)
        copy.kwargs["header"] = self.header.clone(args, kwargs)
        copy.kwargs["body"] = None if self.body is None else self.body.clone()
        return copy

    def __call__(self, body: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Publish it, with this body if one is given."""
        whole = self if body is None else self.with_body(Signature.from_dict(body))
        return whole.apply_async(**options)

    def __repr__(self) -> str:
        return f"chord({self.header!r}, {self.body!r})"


def chord(
    header: Any, body: Mapping[str, Any] | None = None, *, join: str = "all_success", app: Any = None, **options: Any
) -> Chord:
    """A chord of a header (a group, or any iterable of calls) and a body, which may also be given by calling it."""
    return Chord(header, body, join=join, app=app, **options)


def at_least(count: int) -> str:
    """The policy of a join that is done once so many members have succeeded."""
    return checked_policy(f"at_least({count})")


def checked_policy(policy: str) -> str:
    """The policy. Raises ConfigurationError if there is no such one."""
    least_of(policy, total=1)
    return policy


def least_of(policy: str, *, total: int) -> int | None:
    """How many of `total` members must succeed; None: all must end, however they do."""
    if policy == "all_success":
        return total
    if policy == "all_done":
        return None
    if policy == "any":
        return 1
    count = str(policy).removeprefix("at_least(").removesuffix(")")
    if policy == f"at_least({count})" and count.isascii() and count.isdigit() and int(count) > 0:
        return int(count)
    raise ConfigurationError(
        f"join={policy!r}: expected {', '.join(POLICIES)}, or at_least(n) with a whole number above 0"
    )

"""How a member of a join ended, as a value for who follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """How one member of a group ended: what a body gets whose join does not need all of them to succeed."""

    #: The id of the job, or of the group, that is the member.
    id: str
    #: Its number in the group.
    index: int
    #: `succeeded`, `failed` or `cancelled`.
    state: str
    #: Why, if it did not succeed.
    reason: str = ""
    value: R | None = None
    error: BaseException | None = None

    def successful(self) -> bool:
        """Whether it succeeded."""
        return self.state == "succeeded"

    def get(self) -> R:
        """Its value. Raises its error if it did not succeed."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # a value that is None is one of type R

"""What `a | b` makes, by Celery's rules.

Two of its traps are not kept: a group of one stays a group (its follower gets a list), and an empty group gives [].
"""

from __future__ import annotations

from typing import Any

from treadle.workflows.chain import Chain
from treadle.workflows.chord import Chord
from treadle.workflows.group import Group
from treadle.workflows.mapping import Chunks
from treadle.workflows.signature import Signature


def joined(left: Signature, right: Signature) -> Any:
    """The two, one after the other. Neither is changed."""
    steps = _steps(left)
    for step in _steps(right):
        steps = _with(steps, step)
    return steps[0] if len(steps) == 1 else Chain(steps, app=left.own_app or right.own_app)


def _with(steps: list[Signature], step: Signature) -> list[Signature]:
    """The steps and one more: a group becomes the header of what follows it, a body goes on."""
    if not steps:
        return [step]
    *before, last = steps
    if isinstance(last, Chunks):
        last = last.group()
    if isinstance(last, Group):
        return [*before, Chord(last, step, app=last.own_app)]
    # What is linked to a chord stays with the end that it has.
    is_linked = not {"link", "link_error"}.isdisjoint(last.options)
    if isinstance(last, Chord) and not isinstance(step, Group) and last.body is not None and not is_linked:
        return [*before, last.with_body(joined(last.body, step))]
    return [*steps, step]


def _steps(part: Signature) -> list[Signature]:
    if isinstance(part, Chain) and not part.options:
        return [step.clone() for step in part.tasks]
    return [part.clone()]

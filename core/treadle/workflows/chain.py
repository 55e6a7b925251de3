"""One step after another: each gets the result of the one before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from treadle.workflows.signature import Signature, as_list

if TYPE_CHECKING:
    from treadle.app import Treadle

NAME: Final = "treadle.chain"


class Chain(Signature):
    """Steps that run one after the other. Options given to it are those of every step that does not say its own."""

    kind = "chain"

    def __init__(self, tasks: Iterable[Mapping[str, Any]], *, app: Treadle | None = None, **options: Any) -> None:
        steps: list[Signature] = []
        for step in as_list(tasks):
            # A chain within a chain is only a way of writing one, unless it says something of its own.
            steps += step.tasks if isinstance(step, Chain) and not step.options and not step.args else [step]
        super().__init__(NAME, (), {"tasks": steps}, options, app=app)

    @classmethod
    def revived(cls, content: Mapping[str, Any], app: Treadle | None) -> Signature:
        """One of this kind, with that content."""
        made = super().revived(content, app)
        made.kwargs["tasks"] = as_list(content["kwargs"]["tasks"])
        return made

    @property
    def tasks(self) -> list[Signature]:
        """The steps."""
        steps: list[Signature] = self.kwargs["tasks"]
        return steps

    def parts(self) -> Iterable[Signature]:
        """The steps."""
        return self.tasks

    def clone(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Chain:
        """A copy of all steps. Arguments go to the first one."""
        copy = super().clone((), {}, **options)
        steps = [step.clone() for step in self.tasks]
        if steps and (args or kwargs):
            steps[0] = steps[0].clone(args, kwargs)
        copy.kwargs["tasks"] = steps
        return copy

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`delay`, as in Celery."""
        return self.delay(*args, **kwargs)

    def __len__(self) -> int:
        return len(self.tasks)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.tasks)) or "chain()"


def chain(*tasks: Any, app: Treadle | None = None, **options: Any) -> Any:
    """A chain of the steps, given one by one or as one iterable. Of a single step: the step itself, as in Celery."""
    given = tasks[0] if len(tasks) == 1 and not isinstance(tasks[0], Mapping) else tasks
    made = Chain(given, app=app, **options)
    return made.tasks[0].set(**options) if len(made.tasks) == 1 else made

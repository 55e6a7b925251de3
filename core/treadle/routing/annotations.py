"""Task options from the settings: `task_annotations`, as in Celery."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NoReturn, Protocol, TypeAlias, cast, runtime_checkable

from treadle.exceptions import ConfigurationError
from treadle.naming import nearest

Attributes: TypeAlias = Mapping[str, Any]


@runtime_checkable
class Annotation(Protocol):
    """An object in `task_annotations` that decides by the task itself."""

    def annotate(self, task: Any) -> Attributes | None:
        """The attributes to set on a task, if any."""
        ...


class Annotations:
    """The attributes that `task_annotations` sets on tasks.

    `task_annotations` is a mapping from task names or globs to attributes, an object with `annotate(task)`, a class or
    the dotted path of one (where `import_object` is given, to resolve it), or a list of such. `allowed` are the names
    that attributes may have.

    Raises ConfigurationError for what is none of this, and for attributes of other names.
    """

    def __init__(
        self, task_annotations: Any, *, allowed: Collection[str], import_object: Callable[[str], Any] | None = None
    ) -> None:
        self._allowed = allowed
        items = cast(
            "Sequence[Any]", task_annotations if isinstance(task_annotations, list | tuple) else [task_annotations]
        )
        self._annotations = [self._checked(item, import_object) for item in items if item is not None]

    def __call__(self, name: str, task: Any = None) -> dict[str, Any]:
        """The attributes to set on a task. The closer key wins: `*`, then globs, then the exact name.

        In a list, later items win. Raises ConfigurationError if an object answers attributes of other names.
        """
        attributes: dict[str, Any] = {}
        for annotation in self._annotations:
            attributes.update(
                self._from_object(annotation, task)
                if isinstance(annotation, Annotation)
                else _from_mapping(annotation, name)
            )
        return attributes

    def _checked(self, item: Any, import_object: Callable[[str], Any] | None) -> Annotation | Mapping[str, Attributes]:
        if isinstance(item, str) and import_object is not None:
            item = import_object(item)
        if isinstance(item, type):
            item = item()
        if isinstance(item, Mapping):
            by_name = cast("Mapping[str, Any]", item)
            for name, attributes in by_name.items():
                self._check(attributes, f"task_annotations[{name!r}]")
            return by_name
        if isinstance(item, Annotation):
            return item
        raise ConfigurationError(
            "task_annotations must hold mappings from task names to attributes, or objects with a method 'annotate', "
            f"not {item!r}"
        )

    def _from_object(self, annotation: Annotation, task: Any) -> Attributes:
        attributes = annotation.annotate(task) or {}
        self._check(attributes, f"the answer of {annotation!r}")
        return attributes

    def _check(self, attributes: object, place: str) -> None:
        if not isinstance(attributes, Mapping):
            raise ConfigurationError(f"{place} must be a mapping from attributes to values, not {attributes!r}")
        for name in cast("Mapping[object, object]", attributes):
            if name not in self._allowed:
                _refuse(str(name), place, self._allowed)


def _refuse(name: str, place: str, allowed: Collection[str]) -> NoReturn:
    why = "wraps a method, which is what middleware is for" if name.startswith("@") else "is no option of a task"
    raise ConfigurationError(f"{place}: {name!r} {why}{nearest(name, allowed)}")


def _from_mapping(by_name: Mapping[str, Attributes], name: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key in _matching_keys(by_name, name):
        merged.update(by_name[key])
    return merged


def _matching_keys(keys: Collection[str], name: str) -> Iterator[str]:
    """Those that match a task's name, the closest last."""
    if "*" in keys:
        yield "*"
    yield from (key for key in keys if key != "*" and fnmatchcase(name, key))
    if name in keys:
        yield name

"""Rewrites values into what a plain encoder can take, or says where and why that cannot be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import Any, Final

from treadle.serialization.advice import advise, describe_key, is_database_row
from treadle.serialization.classes import class_path, find_class
from treadle.serialization.extended import LEAVES, Leaf
from treadle.serialization.plain import MAX_DEPTH, is_marked
from treadle.serialization.refusal import TOO_DEEP_FOR_STACK, RefusedError, UnserializableError, key_step

#: Integers that every encoder takes: those of up to 63 bits and a sign.
_COMMON_INT_BITS: Final = 63

#: Joins a tag and a content to what the encoder writes for the two.
Mark = Callable[[str, Any], Any]


class Lowering:
    """The walk for one encoder.

    `atoms` are the types that the encoder takes as they are; str, bool and None must be among them.
    `marks_in_dicts`: marks are dicts, so that a user's dict that looks like one must be marked itself.
    `finite`: the encoder has no NaN and no infinities; then float must not be among the atoms.
    """

    def __init__(self, atoms: frozenset[type], mark: Mark, *, marks_in_dicts: bool = False, finite: bool) -> None:
        self._atoms = atoms
        self._mark = mark
        self._marks_in_dicts = marks_in_dicts
        self._finite = finite
        self._containers: tuple[tuple[type[Any], Callable[[Any, int, bool], Any]], ...] = (
            (dict, self._lower_dict),
            (list, self._lower_items),
            (tuple, self._lower_tuple),
            (set, lambda members, depth, _: mark("set", self._lower_members(members, depth))),
            (frozenset, lambda members, depth, _: mark("frozenset", self._lower_members(members, depth))),
        )

    def lower(self, value: Any) -> Any:
        """The value as atoms, lists, dicts with str keys, and marks. Tuples become lists.

        Only within sets and dataclasses do tuples stay tuples: a list there could not be hashed, or would
        make the dataclass another one. Raises UnserializableError naming the path.
        """
        try:
            return self._lower(value, 0, False)
        except RefusedError as refusal:
            raise refusal.as_error() from refusal.__cause__
        except RecursionError:
            raise UnserializableError(TOO_DEEP_FOR_STACK) from None

    def _lower(self, value: Any, depth: int, exact: bool) -> Any:
        if type(value) in self._atoms:
            return value
        if depth > MAX_DEPTH:
            raise RefusedError(f"is nested deeper than {MAX_DEPTH} levels: pass a flatter value")
        for kind, lower in self._containers:
            if isinstance(value, kind):
                return lower(value, depth, exact)
        return self._lower_scalar(value) if _is_scalar(value) else self._lower_object(value, depth)

    def _lower_tuple(self, items: tuple[Any, ...], depth: int, exact: bool) -> Any:
        lowered = self._lower_items(items, depth, exact)
        return self._mark("tuple", lowered) if exact else lowered

    def _lower_items(self, items: Iterable[Any], depth: int, exact: bool) -> list[Any]:
        lowered: list[Any] = []
        for item in items:
            try:
                lowered.append(self._lower(item, depth + 1, exact))
            except RefusedError as refusal:
                refusal.passes(items, f"[{len(lowered)}]")
                raise
        return lowered

    def _lower_members(self, members: Iterable[Any], depth: int) -> list[Any]:
        try:
            return [self._lower(member, depth + 1, True) for member in members]
        except RefusedError as refusal:
            refusal.passes(members, "{…}")
            raise

    def _lower_dict(self, mapping: dict[Any, Any], depth: int, exact: bool) -> Any:
        lowered: dict[str, Any] = {}
        for key, value in mapping.items():
            if not isinstance(key, str) or not _is_scalar(key):
                raise RefusedError(f"has the key {describe_key(key)}: only str can be a key")
            try:
                lowered[str.__str__(key)] = self._lower(value, depth + 1, exact)
            except RefusedError as refusal:
                refusal.passes(mapping, key_step(key))
                raise
        if self._marks_in_dicts and is_marked(lowered):
            return self._mark("dict", [[key, value] for key, value in lowered.items()])
        return lowered

    def _lower_scalar(self, value: str | float) -> Any:
        """A value of the base type, for encoders that take no subclasses."""
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            number = int.__int__(value)
            return number if number.bit_length() <= _COMMON_INT_BITS else self._mark("int", f"{number:x}")
        if self._finite and not math.isfinite(value):
            raise RefusedError(f"is {float.__repr__(value)}, which JSON does not have: pass None or a str instead")
        return float.__float__(value)

    def _lower_object(self, value: Any, depth: int) -> Any:
        for leaf in LEAVES:
            if isinstance(value, leaf.type):
                return self._mark(leaf.tag, _written(leaf, value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type) and not is_database_row(value):
            return self._mark("dataclass", [_dataclass_path(type(value)), self._lower_fields(value, depth)])
        raise RefusedError(f"is {advise(value)}")

    def _lower_fields(self, instance: Any, depth: int) -> dict[str, Any]:
        lowered: dict[str, Any] = {}
        for field in dataclasses.fields(instance):
            try:
                lowered[field.name] = self._lower(_field_value(instance, field.name), depth + 1, True)
            except RefusedError as refusal:
                refusal.passes(instance, f".{field.name}")
                raise
        return lowered


def _is_scalar(value: Any) -> bool:
    """Whether this is a str, int or float that means its base value. A plain Enum's `str()` would change on the way."""
    return isinstance(value, str | int | float) and (
        not isinstance(value, Enum) or isinstance(value, IntEnum | IntFlag | StrEnum)
    )


def _written(leaf: Leaf, value: Any) -> Any:
    try:
        return leaf.write(value)
    except Exception as error:  # a tzinfo may be the user's own
        raise RefusedError(f"cannot be written as {leaf.tag}: {type(error).__name__}: {error}") from error


def _dataclass_path(cls: type[Any]) -> str:
    path = class_path(cls)
    if find_class(path) is not cls:
        raise RefusedError(f"is a dataclass that is not found as {path!r}: define it at the top of a module")
    return path


def _field_value(instance: object, name: str) -> Any:
    try:
        return getattr(instance, name)
    except AttributeError:
        raise RefusedError("was never given a value") from None

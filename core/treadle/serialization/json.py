"""JSON, with the types of `treadle.serialization.extended` as `{"$tag": content}`. The default."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from json import encoder as json_encoder
from typing import Any, Final, NoReturn

from treadle.exceptions import SerializationError
from treadle.serialization.extended import revive
from treadle.serialization.lowering import Lowering
from treadle.serialization.plain import is_plain
from treadle.serialization.refusal import TOO_DEEP_FOR_STACK, UnserializableError

_CAREFUL_ATOMS: Final[frozenset[type]] = frozenset({str, bool, type(None)})
_ATOMS: Final = _CAREFUL_ATOMS | {int, float}


def mark(tag: str, content: Any) -> dict[str, Any]:
    """A marked value, as it stands in JSON."""
    return {f"${tag}": content}


def unmark(mapping: dict[str, Any]) -> Any:
    """The value of a marked dict; other dicts as they are. Raises SerializationError for unknown marks."""
    if len(mapping) != 1:
        return mapping
    [(key, content)] = mapping.items()
    return revive(key[1:], content) if key.startswith("$") else mapping


class JsonSerializer:
    """Values as compact JSON (RFC 8259) in UTF-8.

    Tuples travel as lists. NaN, infinities, and keys that are not str are refused, because JSON would
    silently make something else of them.
    """

    name = "json"

    def __init__(self) -> None:
        self._encode = _make_encoder()
        self._lowering = Lowering(_ATOMS, mark, marks_in_dicts=True, finite=True)
        self._careful = Lowering(_CAREFUL_ATOMS, mark, marks_in_dicts=True, finite=True)
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant, object_hook=unmark)
        self._scan_marked = _scanner(self._decoder)
        self._scan_plain = _scanner(json.JSONDecoder(parse_constant=_refuse_constant))

    def dumps(self, value: Any) -> bytes:
        """Encode. Raises SerializationError naming the path of what cannot travel."""
        try:
            encodable = value if is_plain(value, _ATOMS) else self._lowering.lower(value)
            return "".join(self._encode(encodable, 0)).encode()
        except (ValueError, RecursionError):
            return self._dumps_carefully(value)

    def _dumps_carefully(self, value: Any) -> bytes:
        """What the quick way refuses: NaN is named, long integers are marked, lone surrogates escaped."""
        lowered = self._careful.lower(value)
        try:
            return json.dumps(lowered, separators=(",", ":"), allow_nan=False).encode("ascii")
        except RecursionError:
            raise UnserializableError(TOO_DEEP_FOR_STACK) from None

    def loads(self, content: bytes) -> Any:
        """Decode. Raises SerializationError for bytes that it did not write."""
        try:
            text = content.decode()
            value, end = (self._scan_marked if '"$' in text else self._scan_plain)(text, 0)
            # The scanner knows no white space at the ends; other writers may have put some there.
            return value if end == len(text) else self._decoder.decode(text)
        except StopIteration as nothing:
            raise SerializationError("this is not JSON: no value begins where one should") from nothing
        except (ValueError, RecursionError) as error:
            raise SerializationError(f"this is not JSON that can be read: {error}") from error


def _make_encoder() -> Callable[[Any, int], Iterable[str]]:
    """Gives the chunks of a value's JSON; the second argument is an indentation that is not used.

    `JSONEncoder.encode` makes one like this on each call, which takes longer than encoding a usual job.
    """
    encoder = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
    make: Any = getattr(json_encoder, "c_make_encoder", None)  # not in every Python, and not in its documentation
    if make is None:
        return lambda value, _: encoder.iterencode(value)
    quote = json_encoder.encode_basestring
    made: Callable[[Any, int], Iterable[str]] = make(None, encoder.default, quote, None, ":", ",", False, False, False)
    return made


def _scanner(decoder: Any) -> Callable[[str, int], tuple[Any, int]]:
    """Gives the value that begins at a position, and where it ends; `JSONDecoder.decode` is two calls around it."""
    scan: Callable[[str, int], tuple[Any, int]] = decoder.scan_once
    return scan


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")

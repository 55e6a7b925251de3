"""MessagePack, with the types of `treadle.serialization.extended` as extension types. Extra: `msgpack`."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from treadle.exceptions import SerializationError
from treadle.serialization.extended import TAGS, revive
from treadle.serialization.extras import import_extra
from treadle.serialization.lowering import Lowering
from treadle.serialization.plain import is_plain

_CAREFUL_ATOMS: Final[frozenset[type]] = frozenset({str, bool, type(None), bytes, float})
_ATOMS: Final = _CAREFUL_ATOMS | {int}
_CODES: Final = {tag: code for code, tag in enumerate(TAGS, start=1)}
#: The value of the `timestamp` option that reads other writers' timestamps as aware datetimes.
_AS_DATETIME: Final = 3


class MsgpackSerializer:
    """Values as MessagePack. What travels, and what is refused, is as in JSON; only NaN and infinities travel too."""

    name = "msgpack"

    def __init__(self) -> None:
        self._lowering = Lowering(_ATOMS, self._mark, finite=False)
        self._careful = Lowering(_CAREFUL_ATOMS, self._mark, finite=False)

    def dumps(self, value: Any) -> bytes:
        """Encode. Raises SerializationError naming the path of what cannot travel."""
        try:
            return self._pack(value if is_plain(value, _ATOMS) else self._lowering.lower(value))
        except OverflowError:
            return self._pack(self._careful.lower(value))

    def loads(self, content: bytes) -> Any:
        """Decode. Raises SerializationError for bytes that it did not write."""
        try:
            return self._unpack(content)
        except SerializationError:
            raise
        except (ValueError, TypeError, OverflowError, RecursionError, self._library.UnpackException) as error:
            raise SerializationError(f"this is not MessagePack that can be read: {error!r}") from error

    @cached_property
    def _library(self) -> Any:
        return import_extra("msgpack", extra="msgpack")

    def _pack(self, value: Any) -> bytes:
        packed: bytes = self._library.packb(value, unicode_errors="surrogatepass")
        return packed

    def _unpack(self, content: bytes) -> Any:
        return self._library.unpackb(
            content, ext_hook=self._unmark, timestamp=_AS_DATETIME, unicode_errors="surrogatepass"
        )

    def _mark(self, tag: str, content: Any) -> Any:
        return self._library.ExtType(_CODES[tag], self._pack(content))

    def _unmark(self, code: int, content: bytes) -> Any:
        if not 1 <= code <= len(TAGS):
            raise SerializationError(f"extension type {code} is not one that this version of Treadle knows")
        return revive(TAGS[code - 1], self._unpack(content))

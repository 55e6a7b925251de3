"""Pickle: any Python object, for those who trust everybody who can write to the broker."""

from __future__ import annotations

import pickle
from typing import Any, Final

from treadle.exceptions import SerializationError

#: Of Python 3.8, so that every supported version reads what another one wrote.
_PROTOCOL: Final = 5


class PickleSerializer:
    """Values as pickles. Reading one runs what its writer wants, so it must be named in `accept_content`."""

    name = "pickle"

    def dumps(self, value: Any) -> bytes:
        """Encode. Raises SerializationError for what cannot be pickled; pickle does not say where it is."""
        try:
            return pickle.dumps(value, protocol=_PROTOCOL)
        except Exception as error:  # `__reduce__` and `__getstate__` are users' code
            raise SerializationError(f"a value cannot be pickled: {type(error).__name__}: {error}") from error

    def loads(self, content: bytes) -> Any:
        """Decode. Raises SerializationError for bytes that cannot be unpickled here."""
        try:
            return pickle.loads(content)  # noqa: S301 - refused by the codec unless the application asked for it
        except Exception as error:  # unpickling runs anything, and so raises anything
            raise SerializationError(f"this cannot be unpickled: {type(error).__name__}: {error}") from error

"""What the app and the worker use: values to self-describing bytes, and back.

Encoded content begins with its kind: `json:`, or with a compression `json+zstd:`. Only kinds that the
application accepts are read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from treadle.exceptions import ConfigurationError, SecurityError, SerializationError
from treadle.interfaces import Serializer
from treadle.serialization.compression import Compressor, builtin_compressors
from treadle.serialization.refusal import UnserializableError

MIB: Final = 1024 * 1024
_ONLY_STR: Final = frozenset({str})
_CALL_TYPES: Final = (list, dict)
_SHOWN_BYTES: Final = 24
#: Kinds that are known even where no serializer of that name is registered.
_BUILTIN_KINDS: Final = frozenset({"json", "msgpack", "pickle", "yaml"})


class Codec:
    """Encodes with `default` and reads what is in `accept`. Safe for use by any number of threads.

    Content of more than `compress_above_bytes` is compressed, if a `compression` is named and makes it smaller.
    Compressed content stands for at most `max_bytes`. Raises ConfigurationError for names that nothing has.
    """

    def __init__(
        self,
        serializers: Mapping[str, Serializer],
        *,
        default: str = "json",
        accept: Collection[str] = ("json",),
        compression: str | None = None,
        compress_above_bytes: int = 4096,
        max_bytes: int = 256 * MIB,
        compressors: Mapping[str, Compressor] | None = None,
    ) -> None:
        self._serializers = dict(serializers)
        self._compressors = builtin_compressors() if compressors is None else dict(compressors)
        for name in accept:
            _known(name, self._serializers.keys() | _BUILTIN_KINDS, "serializer (accept_content)")
        self._accept = frozenset(accept)
        self._loads: dict[bytes, Callable[[bytes], Any]] = {
            name.encode(): serializer.loads for name, serializer in serializers.items() if name in self._accept
        }
        self._prefix = _known(default, self._serializers, "serializer").encode() + b":"
        self._dumps = self._serializers[default].dumps
        self._default = default
        self._compression = self._checked_compression(compression)
        self._compress_above_bytes = compress_above_bytes
        self._max_bytes = max_bytes

    def encode(self, value: Any, *, serializer: str | None = None, compression: str | None = None) -> bytes:
        """The value as bytes that tell their kind. None: the codec's own; compression `none`: none.

        Raises SerializationError naming the path of what cannot travel, ConfigurationError for unknown names.
        """
        if not (serializer or compression or self._compression):
            return self._prefix + self._dumps(value)
        name = _known(serializer or self._default, self._serializers, "serializer")
        body = self._serializers[name].dumps(value)
        return self._packed(name, body, self._checked_compression(compression) if compression else self._compression)

    def decode(self, content: bytes) -> Any:
        """The value that was encoded.

        Raises SecurityError for a kind that is not accepted, or too much content, SerializationError for other bytes.
        """
        kind, _, body = content.partition(b":")
        loads = self._loads.get(kind)
        return loads(body) if loads is not None else self._decode_uncommon(content, kind, body)

    def encode_call(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        serializer: str | None = None,
        compression: str | None = None,
    ) -> bytes:
        """A call's arguments as `encode` makes them of `[args, kwargs]`; paths in errors begin with either word."""
        try:
            if serializer or compression or self._compression:
                return self.encode([list(args), kwargs], serializer=serializer, compression=compression)
            return self._prefix + self._dumps([list(args), kwargs])
        except UnserializableError as error:
            raise error.within_call() from error.__cause__

    def decode_call(self, content: bytes) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of an encoded call. Raises as `decode` does, SerializationError for anything but a call."""
        kind, _, body = content.partition(b":")
        loads = self._loads.get(kind)
        call = loads(body) if loads is not None else self._decode_uncommon(content, kind, body)
        try:
            args, kwargs = call
        except (TypeError, ValueError):
            raise _no_call(content) from None
        if (type(args), type(kwargs)) != _CALL_TYPES or not _ONLY_STR.issuperset(map(type, kwargs)):
            raise _no_call(content)
        return args, kwargs

    def _decode_uncommon(self, content: bytes, kind: bytes, body: bytes) -> Any:
        """Decode what is compressed, or say why it is refused."""
        name, _, compression = kind.decode("ascii", "replace").partition("+")
        loads = self._loads.get(name.encode())
        if loads is not None and compression in self._compressors:
            return loads(self._compressors[compression].decompress(body, max_bytes=self._max_bytes))
        if name not in self._accept and (name in self._serializers or name in _BUILTIN_KINDS):
            raise SecurityError(
                f"content of the kind {name!r} is refused: the setting accept_content allows {_listed(self._accept)}; "
                f"add {name!r} to it if you trust everybody who can write to the broker"
            )
        raise SerializationError(
            f"this content is of no known kind: it begins with {_start(content)}, "
            f"expected one of {_listed(self._accept)} and a colon"
        )

    def _packed(self, name: str, body: bytes, compression: str | None) -> bytes:
        if compression is None or len(body) <= self._compress_above_bytes:
            return b"%b:%b" % (name.encode(), body)
        if len(body) > self._max_bytes:
            raise SerializationError(
                f"the value takes {len(body)} bytes, and at most {self._max_bytes} may be compressed: "
                "keep it in a file or a store, and pass where it is"
            )
        compressed = self._compressors[compression].compress(body)
        if len(compressed) >= len(body):
            return b"%b:%b" % (name.encode(), body)
        return b"%b+%b:%b" % (name.encode(), compression.encode(), compressed)

    def _checked_compression(self, name: str | None) -> str | None:
        return None if name is None or name == "none" else _known(name, self._compressors, "compression")


def _known(name: str, known: Collection[str], what: str) -> str:
    """The name. Raises ConfigurationError telling the nearest right one if it is not known."""
    if name in known:
        return name
    from difflib import get_close_matches  # only ever needed for an error message

    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigurationError(f"no {what} is called {name!r}; there are {', '.join(names)}{hint}")


def _no_call(content: bytes) -> SerializationError:
    return SerializationError(f"this content holds no call, [args, kwargs]: it begins with {_start(content)}")


def _start(content: bytes) -> str:
    """The first bytes, harmless to print."""
    return repr(content[:_SHOWN_BYTES]) + ("…" if len(content) > _SHOWN_BYTES else "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"

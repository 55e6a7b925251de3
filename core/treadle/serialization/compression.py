"""Compression of encoded values: gzip, and zstd with the extra of that name.

What comes in is compressed by somebody else, so decompressing is bounded: a few kilobytes can stand for
gigabytes.
"""

from __future__ import annotations

import zlib
from typing import Any, Final, Protocol

from treadle.exceptions import SecurityError, SerializationError
from treadle.serialization.extras import import_extra

#: For zlib: a gzip header and trailer (RFC 1952) around a window of 32 KiB.
_GZIP: Final = 16 + zlib.MAX_WBITS
#: Size of a compressed block that saves most of what can be saved, fast.
_GZIP_LEVEL: Final = 6


class Compressor(Protocol):
    """Makes bytes smaller, and back."""

    #: Its name in settings, and behind the `+` in front of payloads: lower-case letters and digits.
    name: str

    def compress(self, content: bytes) -> bytes:
        """The smaller bytes."""
        ...

    def decompress(self, content: bytes, *, max_bytes: int) -> bytes:
        """The original bytes. Raises SecurityError beyond `max_bytes`, SerializationError for other bytes."""
        ...


class Gzip:
    """RFC 1952, by zlib. In every Python."""

    name = "gzip"

    def compress(self, content: bytes) -> bytes:
        """The smaller bytes; the same ones for the same content."""
        return zlib.compress(content, _GZIP_LEVEL, _GZIP)

    def decompress(self, content: bytes, *, max_bytes: int) -> bytes:
        """The original bytes. Raises SecurityError beyond `max_bytes`, SerializationError for other bytes."""
        stream = zlib.decompressobj(_GZIP)
        try:
            original = stream.decompress(content, max_bytes + 1)
        except zlib.error as error:
            raise SerializationError(f"this is not gzip: {error}") from error
        if len(original) > max_bytes:
            raise _too_large(self.name, max_bytes)
        if not stream.eof or stream.unused_data:
            raise SerializationError("this is not one whole gzip stream: it was cut off, or something follows it")
        return original


class Zstd:
    """RFC 8878: smaller and several times faster than gzip. Needs the extra `zstd`."""

    name = "zstd"

    def compress(self, content: bytes) -> bytes:
        """The smaller bytes, as one frame that declares its size and checksum."""
        compressed: bytes = _zstandard().ZstdCompressor(write_checksum=True).compress(content)
        return compressed

    def decompress(self, content: bytes, *, max_bytes: int) -> bytes:
        """The original bytes. Raises SecurityError beyond `max_bytes`, SerializationError for other bytes."""
        library = _zstandard()
        try:
            declared_bytes = library.get_frame_parameters(content).content_size
            if declared_bytes == library.CONTENTSIZE_UNKNOWN:
                raise SerializationError("this zstd frame does not declare its size, as it must")
            if declared_bytes > max_bytes:
                raise _too_large(self.name, max_bytes)
            original: bytes = library.ZstdDecompressor().decompress(content, allow_extra_data=False)
        except library.ZstdError as error:
            raise SerializationError(f"this is not zstd: {error}") from error
        return original


def builtin_compressors() -> dict[str, Compressor]:
    """Those that come with Treadle, by name. Loads no library."""
    return {"gzip": Gzip(), "zstd": Zstd()}


def _zstandard() -> Any:
    return import_extra("zstandard", extra="zstd")


def _too_large(kind: str, max_bytes: int) -> SecurityError:
    return SecurityError(f"{kind} content of more than {max_bytes} bytes is refused: it may be made to fill the memory")

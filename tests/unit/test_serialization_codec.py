"""The codec: content tells its kind, only accepted kinds are read, decompression is bounded."""

from __future__ import annotations

import contextlib
import gzip
import random
import subprocess
import sys
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import ConfigurationError, SecurityError, SerializationError
from treadle.interfaces import Serializer
from treadle.serialization import (
    Codec,
    Gzip,
    JsonSerializer,
    MsgpackSerializer,
    PickleSerializer,
    YamlSerializer,
    Zstd,
)

NAMES = ("json", "msgpack", "pickle", "yaml")


def serializers() -> dict[str, Serializer]:
    made: list[Serializer] = [JsonSerializer(), MsgpackSerializer(), PickleSerializer(), YamlSerializer()]
    return {serializer.name: serializer for serializer in made}


def codec(**options: Any) -> Codec:
    return Codec(serializers(), **options)


def open_codec(**options: Any) -> Codec:
    return codec(accept=NAMES, compress_above_bytes=10, **options)


@pytest.mark.parametrize("compression", [None, "none", "gzip", "zstd"])
@pytest.mark.parametrize("serializer", NAMES)
def test_calls_come_back_from_every_serializer_and_compression(serializer: str, compression: str | None) -> None:
    content = open_codec().encode_call(
        (1, "ä" * 50, [2.5]), {"flag": True}, serializer=serializer, compression=compression
    )
    plain = compression in {None, "none"}
    assert content.startswith(f"{serializer}:".encode() if plain else f"{serializer}+{compression}:".encode())
    assert open_codec().decode_call(content) == ([1, "ä" * 50, [2.5]], {"flag": True})


def test_a_small_json_call_looks_as_documented() -> None:
    assert codec().encode_call((1, "a"), {"b": None}) == b'json:[[1,"a"],{"b":null}]'


def test_the_named_serializer_and_compression_win_over_the_codecs_own() -> None:
    made = open_codec(default="msgpack", compression="gzip")
    assert made.encode("x" * 100).startswith(b"msgpack+gzip:")
    assert made.encode_call((), {}).startswith(b"msgpack:")
    assert made.encode("x" * 100, serializer="json", compression="zstd").startswith(b"json+zstd:")
    assert made.encode("x" * 100, compression="none").startswith(b"msgpack:")


def test_content_up_to_the_threshold_is_not_compressed() -> None:
    made = codec(compression="gzip", compress_above_bytes=102)
    assert made.encode("x" * 100).startswith(b"json:")
    assert made.encode("x" * 101).startswith(b"json+gzip:")


def test_content_that_compression_would_enlarge_is_left_alone() -> None:
    noise = random.Random(1).randbytes(200)
    assert open_codec(compression="gzip").encode(noise, serializer="msgpack").startswith(b"msgpack:")


@pytest.mark.parametrize("kind", ["pickle", "msgpack", "yaml", "pickle+gzip"])
def test_kinds_that_are_not_accepted_are_refused_by_the_name_of_the_setting(kind: str) -> None:
    with pytest.raises(SecurityError, match="accept_content allows json"):
        codec().decode(f"{kind}:whatever".encode())
    with pytest.raises(SecurityError, match="accept_content"):
        Codec({"json": JsonSerializer()}).decode_call(f"{kind}:whatever".encode())


@pytest.mark.parametrize(
    "content", [b"", b":", b"jsn:1", b"json+lzma:1", b"json+:1", b"\xff\xfe:", b"JSON:1", b"\x00" * 1000]
)
def test_content_of_no_known_kind_is_a_serialization_error_that_shows_its_start(content: bytes) -> None:
    with pytest.raises(SerializationError, match="no known kind") as caught:
        codec().decode(content)
    assert repr(content[:24]) in str(caught.value)
    assert len(str(caught.value)) < 300


@given(content=st.binary() | st.binary().map(b"json:".__add__) | st.binary().map(b"json+zstd:".__add__))
def test_random_bytes_raise_nothing_but_serialization_and_security_errors(content: bytes) -> None:
    made = codec(accept=("json", "msgpack"))
    with contextlib.suppress(SerializationError, SecurityError):
        made.decode_call(content)
    with contextlib.suppress(SerializationError, SecurityError):
        made.decode(content.replace(b"json", b"msgpack"))


@pytest.mark.parametrize(
    "value", [None, 1, "ab", [], [[]], [[], {}, 1], [{}, []], [[], []], {"a": 1, "b": 2}, [None, {}], [[], None]]
)
@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_anything_but_a_pair_of_list_and_dict_is_no_call(value: Any, serializer: str) -> None:
    content = open_codec().encode(value, serializer=serializer)
    with pytest.raises(SerializationError, match=r"holds no call, \[args, kwargs\]"):
        open_codec().decode_call(content)


def test_keyword_names_that_are_not_text_are_no_call() -> None:
    with pytest.raises(SerializationError, match="no call"):
        open_codec().decode_call(open_codec().encode([[], {1: 2}], serializer="pickle"))


@pytest.mark.parametrize("serializer", ["json", "msgpack", "yaml"])
def test_errors_of_calls_name_the_argument(serializer: str) -> None:
    with pytest.raises(SerializationError, match=r'^args\[1\]\["user"\] is of type object'):
        codec().encode_call((1, {"user": object()}), {}, serializer=serializer)
    with pytest.raises(SerializationError, match=r'^kwargs\["users"\]\[0\] is of type object'):
        codec().encode_call((), {"users": [object()]}, serializer=serializer)


def test_what_cannot_be_pickled_is_a_serialization_error() -> None:
    with pytest.raises(SerializationError, match="cannot be pickled"):
        codec().encode_call((lambda: 1,), {}, serializer="pickle")
    with pytest.raises(SerializationError, match="cannot be unpickled"):
        open_codec().decode(b"pickle:garbage")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"default": "jsno"}, "did you mean 'json'"),
        ({"accept": ("json", "mspack")}, "did you mean 'msgpack'"),
        ({"compression": "ztsd"}, "did you mean 'zstd'"),
        ({"compression": "lzma"}, "there are gzip, zstd"),
    ],
)
def test_misspelt_names_are_answered_with_the_nearest_right_one(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        codec(**options)


def test_misspelt_names_in_a_call_are_answered_too() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'pickle'"):
        codec().encode(1, serializer="pikcle")
    with pytest.raises(ConfigurationError, match="did you mean 'gzip'"):
        codec().encode_call((), {}, compression="gz")


@pytest.mark.parametrize("bomb", [gzip.compress(bytes(1_000_001)), zstandard.compress(bytes(1_000_001))])
def test_bombs_are_refused(bomb: bytes) -> None:
    kind = b"gzip" if bomb.startswith(b"\x1f\x8b") else b"zstd"
    with pytest.raises(SecurityError, match="more than 1000000 bytes"):
        codec(max_bytes=1_000_000).decode(b"json+" + kind + b":" + bomb)


def test_a_zstd_frame_that_lies_about_its_size_is_refused() -> None:
    frame = bytearray(zstandard.compress(b"x" * 1000))
    declared = frame.index((1000 - 256).to_bytes(2, "little"))
    frame[declared : declared + 2] = (100).to_bytes(2, "little")
    with pytest.raises(SerializationError, match="not zstd"):
        Zstd().decompress(bytes(frame), max_bytes=10_000)


def test_a_zstd_frame_without_a_size_is_refused() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1000))
    with pytest.raises(SerializationError, match="does not declare its size"):
        Zstd().decompress(frame, max_bytes=10_000)


@pytest.mark.parametrize("compressor", [Gzip(), Zstd()], ids=lambda compressor: compressor.name)
@pytest.mark.parametrize(
    "damage",
    [lambda c: c[:-1], lambda c: c + b"x", lambda _: b"", lambda c: c[:-3] + bytes([c[-3] ^ 1]) + c[-2:]],
    ids=["cut", "longer", "empty", "changed"],
)
def test_damaged_compressed_content_is_a_serialization_error(compressor: Any, damage: Any) -> None:
    content = damage(compressor.compress(b"hello" * 100))
    with pytest.raises(SerializationError):
        compressor.decompress(content, max_bytes=10_000)


@pytest.mark.parametrize("compressor", [Gzip(), Zstd()], ids=lambda compressor: compressor.name)
@given(content=st.binary(max_size=3000))
def test_compressed_content_comes_back_up_to_the_limit(compressor: Any, content: bytes) -> None:
    assert compressor.decompress(compressor.compress(content), max_bytes=len(content)) == content


def test_what_could_not_be_read_again_is_not_compressed_in_the_first_place() -> None:
    with pytest.raises(SerializationError, match="at most 1000 may be compressed"):
        open_codec(compression="gzip", max_bytes=1000).encode("x" * 2000)


def test_own_serializers_and_compressors_are_used_by_their_names() -> None:
    class Reversed:
        name = "reversed"

        def compress(self, content: bytes) -> bytes:
            return content[::-1][:-1]

        def decompress(self, content: bytes, *, max_bytes: int) -> bytes:
            assert max_bytes > 0
            return b'"' + content[::-1]

    made = Codec(
        {"mine": JsonSerializer()},
        default="mine",
        accept=["mine"],
        compressors={"reversed": Reversed()},
        compression="reversed",
        compress_above_bytes=0,
    )
    assert made.encode("abc") == b'mine+reversed:"cba'
    assert made.decode(b'mine+reversed:"cba') == "abc"


def test_a_small_json_call_crosses_three_python_functions() -> None:
    made = codec()
    content = made.encode_call((1, "a"), {})
    assert _python_functions(lambda: made.encode_call((1, "a"), {})) == ["encode_call", "dumps", "is_plain"]
    assert _python_functions(lambda: made.decode_call(content)) == ["decode_call", "loads"]


def _python_functions(function: Any) -> list[str]:
    names: list[str] = []

    def note(frame: Any, event: str, _arg: object) -> None:
        if event == "call":
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return names[1:]


@pytest.mark.parametrize(
    ("use", "extra"),
    [
        ("MsgpackSerializer().dumps(1)", "msgpack"),
        ("YamlSerializer().loads(b'1')", "yaml"),
        ("Zstd().compress(b'')", "zstd"),
    ],
)
def test_a_missing_library_is_told_with_the_extra_that_has_it(use: str, extra: str) -> None:
    program = f"""
import sys
sys.modules.update(msgpack=None, yaml=None, zstandard=None)
from treadle.serialization import *
try:
    {use}
except __import__("treadle.exceptions").exceptions.ConfigurationError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert f"pip install 'treadle[{extra}]'" in said.stdout


def test_importing_the_codec_loads_no_optional_library() -> None:
    heavy = {"asyncio", "pluggy", "importlib.metadata", "sqlalchemy", "msgpack", "yaml", "zstandard", "zoneinfo"}
    program = "import sys, treadle.serialization; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert not heavy & set(said.stdout.split())

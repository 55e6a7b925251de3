"""How arguments, results and errors travel."""

from treadle.serialization.codec import Codec
from treadle.serialization.compression import Compressor, Gzip, Zstd, builtin_compressors
from treadle.serialization.failure import Failure, decode_failure, describe_failure, encode_failure
from treadle.serialization.json import JsonSerializer
from treadle.serialization.msgpack import MsgpackSerializer
from treadle.serialization.pickle import PickleSerializer
from treadle.serialization.refusal import UnserializableError
from treadle.serialization.yaml import YamlSerializer

__all__ = [
    "Codec",
    "Compressor",
    "Failure",
    "Gzip",
    "JsonSerializer",
    "MsgpackSerializer",
    "PickleSerializer",
    "UnserializableError",
    "YamlSerializer",
    "Zstd",
    "builtin_compressors",
    "decode_failure",
    "describe_failure",
    "encode_failure",
]

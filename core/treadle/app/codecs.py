"""The codecs that the settings describe: one for arguments, one for results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.serialization import Codec

if TYPE_CHECKING:
    from treadle.plugins import Plugins
    from treadle.settings import Settings


def task_codec(plugins: Plugins, conf: Settings) -> Codec:
    """Encodes and decodes arguments."""
    return Codec(
        plugins.serializers(),
        default=conf.task_serializer,
        accept=conf.accept_content,
        compression=conf.task_compression,
        compress_above_bytes=conf.compress_above_bytes,
    )


def result_codec(plugins: Plugins, conf: Settings) -> Codec:
    """Encodes and decodes results and progress."""
    return Codec(
        plugins.serializers(),
        default=conf.result_serializer,
        accept=conf.accept_content if conf.result_accept_content is None else conf.result_accept_content,
        compression=conf.result_compression,
        compress_above_bytes=conf.compress_above_bytes,
    )

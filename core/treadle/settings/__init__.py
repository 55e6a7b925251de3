"""Settings: one table of them, the places they come from, and what is said about wrong ones."""

from __future__ import annotations

from treadle.settings.settings import Settings, UnknownSetting
from treadle.settings.sources import (
    Rank,
    Source,
    from_command_line,
    from_environment,
    from_mapping,
    from_object,
    import_object,
)

__all__ = [
    "Rank",
    "Settings",
    "Source",
    "UnknownSetting",
    "from_command_line",
    "from_environment",
    "from_mapping",
    "from_object",
    "import_object",
]

"""The app: the one place where parts are chosen and joined."""

from __future__ import annotations

from treadle.app.app import Treadle

__all__ = ["Treadle"]

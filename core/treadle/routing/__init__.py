"""What the settings decide by a task's name: where its jobs go, and which options it has."""

from __future__ import annotations

from treadle.routing.annotations import Annotations
from treadle.routing.routes import Routes, check_queue

__all__ = ["Annotations", "Routes", "check_queue"]

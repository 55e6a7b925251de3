"""From a call to a published job: options, routing, serialization, middleware, broker."""

from __future__ import annotations

from treadle.publisher.publisher import Publisher

__all__ = ["Publisher"]

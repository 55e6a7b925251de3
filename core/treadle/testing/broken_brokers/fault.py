"""What all faults have in common."""

from __future__ import annotations

from typing import ClassVar

from treadle.brokers.memory import MemoryBroker
from treadle.brokers.memory.store import MemoryStore


class Fault(MemoryStore):
    """A memory store with one rule broken, which its docstring tells."""

    #: The cases of `BrokerContract` that must fail on it.
    caught_by: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def broker(cls) -> MemoryBroker:
        """A broker with this fault."""
        return MemoryBroker(store_type=cls)

"""A broker within one process: for tests, for trying things out, and as the plainest reading of the rules."""

from treadle.brokers.memory.broker import MemoryBroker

__all__ = ["MemoryBroker"]

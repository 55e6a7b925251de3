"""Brokers with one fault each, to prove that the contract would notice it.

A suite that cannot fail proves nothing. Each fault here is a healthy memory store with one rule broken in the
way that real systems break it, and names the cases of the contract that must turn red.
"""

from treadle.testing.broken_brokers.claiming import CLAIMING
from treadle.testing.broken_brokers.fault import Fault
from treadle.testing.broken_brokers.giving_back import GIVING_BACK
from treadle.testing.broken_brokers.keeping import KEEPING
from treadle.testing.broken_brokers.recovering import RECOVERING
from treadle.testing.broken_brokers.telling import TELLING

FAULTS: tuple[type[Fault], ...] = (*CLAIMING, *GIVING_BACK, *RECOVERING, *KEEPING, *TELLING)

__all__ = ["FAULTS", "Fault"]

"""Who saw each settlement: a record beside the broker's state, written in the same atomic step as that state."""

from tests.harness.witness.witness import Ending, Witness, witness_of

__all__ = ["Ending", "Witness", "witness_of"]

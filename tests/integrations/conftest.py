"""What the tests of whole workers share."""

from tests.harness.fixtures import rig

__all__ = ["rig"]

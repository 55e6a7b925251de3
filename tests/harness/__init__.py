"""Real workers for the tests: started, watched, killed and counted."""

from tests.harness.client import Client
from tests.harness.fixtures import ON_SQLITE
from tests.harness.ledger import Ledger
from tests.harness.patience import eventually
from tests.harness.report import Report
from tests.harness.rig import Rig
from tests.harness.witness import Witness
from tests.harness.worker import Worker

__all__ = ["ON_SQLITE", "Client", "Ledger", "Report", "Rig", "Witness", "Worker", "eventually"]

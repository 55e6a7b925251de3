"""The broker contract: one suite that every broker passes.

Subclass `BrokerContract` in a test file and give it a broker with an empty store:

    class TestMyBroker(BrokerContract):
        @pytest.fixture
        def broker(self) -> Iterator[Broker]: ...

To have failures explained, call `pytest.register_assert_rewrite("treadle.testing.broker_contract")` in the
conftest.py beside it.
"""

from treadle.testing.broker_contract.contract import BrokerContract
from treadle.testing.broker_contract.promises import PROMISES
from treadle.testing.broker_contract.stage import Advance, Child, Stage

__all__ = ["PROMISES", "Advance", "BrokerContract", "Child", "Stage"]

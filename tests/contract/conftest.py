"""Failures inside the contract's own modules are explained like those of a test file."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "treadle.testing.broker_contract", "treadle.testing.state_machine", "treadle.testing.walk"
)

"""The in-memory adapter, which is the contract's executable specification, passes the whole suite."""

from adapters.conformance import Conformance
from adapters.conformance.memory import MemoryHarness


class TestMemory(Conformance, harness=MemoryHarness):
    """Every check applies but those about credentials and bad records, which it cannot have."""

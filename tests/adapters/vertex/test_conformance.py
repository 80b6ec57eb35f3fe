"""The Vertex AI adapter passes the conformance suite against the emulator, over a socket that can be cut."""

from adapters.conformance import Conformance
from tests.adapters.vertex.harness import VertexHarness


class TestVertex(Conformance, harness=VertexHarness):
    """Vertex AI has no stages and no model without versions; every other check applies."""

"""The estate that tests of the graph share."""

from tests.federation.graph.chain import chain

__all__ = ["chain"]

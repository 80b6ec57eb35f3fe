"""The adapter for another Waypost passes the suite against a real gateway on a socket."""

from adapters.conformance import Conformance
from tests.adapters.waypost.harness import WaypostHarness


class TestWaypost(Conformance, harness=WaypostHarness):
    """Whole records by native id, what changed by the position of the feed."""

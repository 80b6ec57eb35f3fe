"""The unity adapter passes the suite against a metastore on a real socket."""

from adapters.conformance import Conformance
from adapters.emulators.unity.harness import UnityHarness


class TestUnity(Conformance, harness=UnityHarness):
    """Three-level names, rows by digest, aliases and versions read in turn."""

"""The folder adapter passes the suite on a real folder."""

from adapters.conformance import Conformance
from adapters.emulators.folder.harness import FolderHarness


class TestFolder(Conformance, harness=FolderHarness):
    """Files, sidecars and links, changed past the adapter."""

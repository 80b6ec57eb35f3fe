"""The azureml adapter passes the suite against a workspace on a real socket."""

from adapters.conformance import Conformance
from adapters.emulators.azureml.harness import AzuremlHarness


class TestAzureml(Conformance, harness=AzuremlHarness):
    """Links between pages, versions in turn, resources put as a whole."""

"""The kubeflow adapter passes the suite against a registry on a real socket."""

from adapters.conformance import Conformance
from adapters.emulators.kubeflow.harness import KubeflowHarness


class TestKubeflow(Conformance, harness=KubeflowHarness):
    """Ids as keys, artifacts read for each version, inference services as endpoints."""

"""A small model registry of Kubeflow's: the service, and the harness that reaches past the adapter.

`python -m adapters.emulators.kubeflow` starts it; `serve(KubeflowRegistry())` runs it inside a test.
"""

from adapters.emulators.kubeflow.registry import KubeflowRegistry
from adapters.emulators.services import serve

__all__ = ["KubeflowRegistry", "serve"]

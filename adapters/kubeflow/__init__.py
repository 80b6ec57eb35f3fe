"""The model registry of Kubeflow (Model Registry, Hub): models, versions with their artifacts, and what serves them.

Plain HTTP, none of the vendor's code: see `adapters/README.md` for what was confirmed with its client.
"""

from adapters.kubeflow.adapter import KubeflowAdapter
from adapters.kubeflow.config import KubeflowConfig

__all__ = ["KubeflowAdapter", "KubeflowConfig"]

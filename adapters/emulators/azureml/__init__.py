"""A small workspace or registry of Azure ML: the service, and the harness that reaches past the adapter.

`python -m adapters.emulators.azureml` starts it; `serve(AzureWorkspace())` runs it inside a test.
"""

from adapters.emulators.azureml.workspace import AzureWorkspace
from adapters.emulators.services import serve

__all__ = ["AzureWorkspace", "serve"]

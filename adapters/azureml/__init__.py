"""Azure Machine Learning: the models of a workspace, or of a registry.

Plain HTTP, none of the vendor's code: see `adapters/README.md` for what was confirmed with its client.
"""

from adapters.azureml.adapter import AzuremlAdapter
from adapters.azureml.config import AzuremlConfig

__all__ = ["AzuremlAdapter", "AzuremlConfig"]

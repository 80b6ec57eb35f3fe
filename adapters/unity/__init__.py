"""Unity Catalog: the models of a metastore, on Databricks or on an open-source server.

Plain HTTP, none of the vendors' code: see `adapters/README.md` for what was confirmed with their clients.
"""

from adapters.unity.adapter import UnityAdapter
from adapters.unity.config import UnityConfig

__all__ = ["UnityAdapter", "UnityConfig"]

"""A small Unity Catalog, Databricks' or an open-source one: the service, and the harness that reaches past the adapter.

`python -m adapters.emulators.unity` starts it; `serve(Metastore())` runs it inside a test.
"""

from adapters.emulators.services import serve
from adapters.emulators.unity.metastore import Metastore

__all__ = ["Metastore", "serve"]

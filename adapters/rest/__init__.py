"""A registry behind a REST API of its own, described in the configuration: no Python is written.

The mapping from its JSON to records is a JMESPath expression per field. See `adapters/README.md`.
"""

from adapters.rest.adapter import RestAdapter
from adapters.rest.config import RestConfig

__all__ = ["RestAdapter", "RestConfig"]

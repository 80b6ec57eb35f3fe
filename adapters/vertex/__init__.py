"""Vertex AI: the model registry of a Google Cloud project and location. Loads the vendor's library at the
first call.
"""

from adapters.vertex.adapter import VertexAdapter
from adapters.vertex.config import VertexConfig

__all__ = ["VertexAdapter", "VertexConfig"]

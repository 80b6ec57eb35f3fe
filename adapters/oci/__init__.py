"""A registry of OCI artifacts that holds models: ModelPack, KitOps, Docker's and Ollama's. Plain HTTP."""

from adapters.oci.adapter import OciAdapter
from adapters.oci.config import OciConfig

__all__ = ["OciAdapter", "OciConfig"]

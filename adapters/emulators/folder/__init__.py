"""Shares for the `folder` adapter: one that a test writes past the adapter, and the harness around it."""

from adapters.emulators.folder.share import Shelves, gguf, safetensors

__all__ = ["Shelves", "gguf", "safetensors"]

"""Git repositories as registries: GTO's tags, DVC's files, PyTorch Hub's `hubconf.py`. Needs git itself."""

from adapters.git.adapter import GitAdapter
from adapters.git.config import GitConfig

__all__ = ["GitAdapter", "GitConfig"]

"""Weights & Biases Registry: the registries of an organisation, their collections and what is linked to them.

Plain GraphQL, none of the vendor's code: see `adapters/README.md` for what was confirmed with its client.
"""

from adapters.wandb.adapter import WandbAdapter
from adapters.wandb.config import WandbConfig

__all__ = ["WandbAdapter", "WandbConfig"]

"""Another Waypost: the registries that it reads itself, as its token sees them."""

from adapters.waypost.adapter import WaypostAdapter
from adapters.waypost.config import WaypostConfig

__all__ = ["WaypostAdapter", "WaypostConfig"]

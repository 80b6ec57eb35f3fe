"""Repositories for the `git` adapter: real ones, changed past it with git's own commands, behind git's own server."""

from adapters.emulators.git.repository import GitRepository
from adapters.emulators.git.server import GitServer

__all__ = ["GitRepository", "GitServer"]

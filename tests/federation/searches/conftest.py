"""A migrated database with registries of two teams."""

from tests.federation.identity.conftest import engine, ids

__all__ = ["engine", "ids"]

"""Alembic migrations of every table; `federation.schema` runs them."""

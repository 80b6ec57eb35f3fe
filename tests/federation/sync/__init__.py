"""Synchronisation against the in-memory backend."""

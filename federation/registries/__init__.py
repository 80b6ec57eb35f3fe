"""Configured registries, how they stand, and one open adapter for each of them."""

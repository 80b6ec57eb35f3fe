"""Snapshots: index and graph of one gateway, kept where others take them from instead of building their own."""

"""Snapshots of index and graph."""

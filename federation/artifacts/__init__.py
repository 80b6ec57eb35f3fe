"""Artifacts: their files are copied from one registry to another, in a process of its own."""

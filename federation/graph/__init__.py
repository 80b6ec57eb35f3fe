"""The dependency graph: what was made from what, and what breaks when it goes."""

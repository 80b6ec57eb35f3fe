"""Saved searches: a query with a name and an address, kept for oneself or for a team."""

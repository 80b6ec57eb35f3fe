"""Retention: which versions are to be archived or deleted by rule, and why all others are kept."""

"""Synchronisation: reading every registry again and again, so that the catalogue is what the backends are."""

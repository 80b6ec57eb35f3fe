"""Deliberately broken adapters: the proof that every conformance check can fail, for its own reason only."""

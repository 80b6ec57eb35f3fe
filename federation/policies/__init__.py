"""Policies: which stages are guarded, by what, and the one door into them."""

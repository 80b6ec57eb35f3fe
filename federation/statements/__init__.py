"""Statements about an artifact: who says what of it. They are kept whole, and judged each time they are read."""

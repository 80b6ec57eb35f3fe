"""Search: a language, an index that follows the changes, and answers that a view bounds inside the engine."""

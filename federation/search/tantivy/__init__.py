"""The engine of search: an index of tantivy's that follows the catalogue, and what answers from it."""

"""Operations: changing a model on its backend through Waypost. Nothing else mutates a backend."""

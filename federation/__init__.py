"""What Waypost knows: catalogue, journal, search, graph and operations. Knows no backend by name."""

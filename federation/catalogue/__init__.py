"""The catalogue: our normalised copy of every record."""

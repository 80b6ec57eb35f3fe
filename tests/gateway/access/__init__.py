"""Who gets what from the HTTP API."""

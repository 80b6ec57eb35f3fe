"""The HTTP API: one function and its schema per endpoint, one module per noun."""

"""The adapter contract, and one module or package per kind of backend."""

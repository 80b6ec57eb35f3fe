"""Vertex AI: the model registry of a Google Cloud project and location."""

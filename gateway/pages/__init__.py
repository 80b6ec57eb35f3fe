"""The pages of the web interface: server-rendered, read through the same functions as the API."""

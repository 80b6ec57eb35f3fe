"""A small Hugging Face Hub: the service, and the harness that reaches past the adapter.

`python -m adapters.emulators.huggingface` starts it; `serve(Hub())` runs it inside a test.
"""

from adapters.emulators.huggingface.hub import Hub, HubToken
from adapters.emulators.huggingface.server import post, serve

__all__ = ["Hub", "HubToken", "post", "serve"]

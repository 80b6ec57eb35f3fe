"""A small Weights & Biases with one organisation: the service, and the harness that reaches past the adapter.

`python -m adapters.emulators.wandb` starts it; `serve(Organization())` runs it inside a test.
"""

from adapters.emulators.services import serve
from adapters.emulators.wandb.organization import Organization

__all__ = ["Organization", "serve"]

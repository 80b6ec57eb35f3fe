"""A small in-house registry for the `rest` adapter: the service, and the harness that reaches past the adapter.

`python -m adapters.emulators.rest` starts it; `serve(Shelf())` runs it inside a test.
"""

from adapters.emulators.rest.server import Shelf, serve

__all__ = ["Shelf", "serve"]

"""An emulator of Vertex AI's model registry that speaks gRPC with the vendor's own message types.

`python -m adapters.emulators.vertex` starts it as a process; `VertexEmulator` runs it inside a test. It keeps models,
versions, aliases, labels, evaluations and endpoints in memory, and can be told to fail. Needs the `vertex` extra.
"""

from adapters.emulators.vertex.client import call_control, endpoint_client, model_client, pipeline_client
from adapters.emulators.vertex.demo import seed
from adapters.emulators.vertex.faults import Faults, PlannedFault
from adapters.emulators.vertex.server import VertexEmulator

__all__ = [
    "Faults",
    "PlannedFault",
    "VertexEmulator",
    "call_control",
    "endpoint_client",
    "model_client",
    "pipeline_client",
    "seed",
]

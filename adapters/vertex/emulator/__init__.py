"""An emulator of Vertex AI's model registry that speaks gRPC with the vendor's own message types.

`python -m adapters.vertex.emulator` starts it as a process; `VertexEmulator` runs it inside a test. It keeps models,
versions, aliases, labels, evaluations and endpoints in memory, and can be told to fail. Needs the `vertex` extra.
"""

from adapters.vertex.emulator.client import call_control, endpoint_client, model_client, pipeline_client
from adapters.vertex.emulator.demo import seed
from adapters.vertex.emulator.faults import Fault, Faults
from adapters.vertex.emulator.server import VertexEmulator

__all__ = [
    "Fault",
    "Faults",
    "VertexEmulator",
    "call_control",
    "endpoint_client",
    "model_client",
    "pipeline_client",
    "seed",
]

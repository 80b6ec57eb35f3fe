"""The messages and methods of the API, as the vendor's own client declares them.

The client library ships message types and client stubs, no servicers. But its transports bind a
serializer to every method when they are built, and a serializer knows its message type: a channel that
only records gives the whole table.
"""

from collections.abc import Callable
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1.services.endpoint_service import transports as endpoint_transports
from google.cloud.aiplatform_v1.services.model_service import transports as model_transports
from google.cloud.aiplatform_v1.services.pipeline_service import transports as pipeline_transports
from google.longrunning import operations_pb2
from google.protobuf import struct_pb2

Model = aiplatform_v1.Model.pb()
DeployedModelRef = aiplatform_v1.DeployedModelRef.pb()
Endpoint = aiplatform_v1.Endpoint.pb()
ModelEvaluation = aiplatform_v1.ModelEvaluation.pb()
TrainingPipeline = aiplatform_v1.TrainingPipeline.pb()

UploadModelResponse = aiplatform_v1.UploadModelResponse.pb()
UploadModelOperationMetadata = aiplatform_v1.UploadModelOperationMetadata.pb()
DeleteOperationMetadata = aiplatform_v1.DeleteOperationMetadata.pb()
CreateEndpointOperationMetadata = aiplatform_v1.CreateEndpointOperationMetadata.pb()
DeployModelOperationMetadata = aiplatform_v1.DeployModelOperationMetadata.pb()
DeployModelResponse = aiplatform_v1.DeployModelResponse.pb()
UndeployModelOperationMetadata = aiplatform_v1.UndeployModelOperationMetadata.pb()
UndeployModelResponse = aiplatform_v1.UndeployModelResponse.pb()
ListModelsResponse = aiplatform_v1.ListModelsResponse.pb()
ListModelVersionsResponse = aiplatform_v1.ListModelVersionsResponse.pb()
ListEndpointsResponse = aiplatform_v1.ListEndpointsResponse.pb()
ListModelEvaluationsResponse = aiplatform_v1.ListModelEvaluationsResponse.pb()

CONTROL_METHOD = "/waypost.vertex.emulator.Control/Call"


class _Recorder:
    """Stands in for a channel while a transport is built; keeps the request parser of every method."""

    def __init__(self) -> None:
        self.parsers: dict[str, Callable[[bytes], Any]] = {}
        self._unary_unary_interceptors: list[Any] = []

    def unary_unary(self, method: str, request_serializer: Any, **_: Any) -> Callable[..., None]:
        message = getattr(request_serializer, "__self__", None)
        if message is not None:
            self.parsers[method] = message.pb().FromString
        return lambda *args, **kwargs: None


def request_parsers() -> dict[str, Callable[[bytes], Any]]:
    """Full method name → parser of its request, for every method this emulator can be asked for."""
    recorder = _Recorder()
    for transport in (
        model_transports.ModelServiceGrpcAsyncIOTransport,
        endpoint_transports.EndpointServiceGrpcAsyncIOTransport,
        pipeline_transports.PipelineServiceGrpcAsyncIOTransport,
    ):
        transport(channel=lambda *args, **kwargs: recorder, credentials=AnonymousCredentials())
    operations = "/google.longrunning.Operations/"
    return recorder.parsers | {
        f"{operations}GetOperation": operations_pb2.GetOperationRequest.FromString,
        f"{operations}WaitOperation": operations_pb2.WaitOperationRequest.FromString,
        CONTROL_METHOD: struct_pb2.Struct.FromString,
    }

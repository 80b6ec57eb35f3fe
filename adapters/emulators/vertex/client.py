"""The vendor's own clients, connected to an emulator: for seeding, tests and bare-call benchmarks."""

from typing import Any

import grpc
from google.auth.credentials import AnonymousCredentials
from google.cloud import aiplatform_v1
from google.cloud.aiplatform_v1.services.endpoint_service.transports import EndpointServiceGrpcTransport
from google.cloud.aiplatform_v1.services.model_service.transports import ModelServiceGrpcTransport
from google.cloud.aiplatform_v1.services.pipeline_service.transports import PipelineServiceGrpcTransport
from google.protobuf import json_format, struct_pb2

from adapters.emulators.vertex.wire import CONTROL_METHOD


def model_client(address: str) -> Any:
    """A `ModelServiceClient` without TLS or credentials. Close with `client.transport.close()`."""
    return aiplatform_v1.ModelServiceClient(transport=_transport(ModelServiceGrpcTransport, address))


def endpoint_client(address: str) -> Any:
    """An `EndpointServiceClient` without TLS or credentials. Close with `client.transport.close()`."""
    return aiplatform_v1.EndpointServiceClient(transport=_transport(EndpointServiceGrpcTransport, address))


def pipeline_client(address: str) -> Any:
    """A `PipelineServiceClient` without TLS or credentials. Close with `client.transport.close()`."""
    return aiplatform_v1.PipelineServiceClient(transport=_transport(PipelineServiceGrpcTransport, address))


def _transport(kind: Any, address: str) -> Any:
    return kind(channel=grpc.insecure_channel(address), credentials=AnonymousCredentials())


def call_control(address: str, **asked: Any) -> dict[str, Any]:
    """Steer an emulator process: `call_control(address, fail={"method": "ListModels", "times": 2})`.

    Answers `{"calls": {method: count}}`. Raises grpc.RpcError for an unknown control.
    """
    request = struct_pb2.Struct()
    request.update(asked)
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            CONTROL_METHOD,
            request_serializer=struct_pb2.Struct.SerializeToString,
            response_deserializer=struct_pb2.Struct.FromString,
        )
        answer: dict[str, Any] = json_format.MessageToDict(call(request, timeout=10))
    return answer

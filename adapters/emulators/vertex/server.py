"""The gRPC server: finds the handler of a call, applies planned faults and latency, answers."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import json_format, struct_pb2

from adapters.emulators.vertex import endpoints, models, operations, pipelines
from adapters.emulators.vertex.faults import Faults, RpcError
from adapters.emulators.vertex.state import ProjectState
from adapters.emulators.vertex.wire import CONTROL_METHOD, request_parsers

HANDLERS: dict[str, Callable[[ProjectState, Any], Any]] = {
    "UploadModel": models.upload_model,
    "GetModel": models.get_model,
    "ListModels": models.list_models,
    "ListModelVersions": models.list_model_versions,
    "UpdateModel": models.update_model,
    "MergeVersionAliases": models.merge_version_aliases,
    "DeleteModel": models.delete_model,
    "DeleteModelVersion": models.delete_model_version,
    "ImportModelEvaluation": models.import_model_evaluation,
    "ListModelEvaluations": models.list_model_evaluations,
    "GetModelEvaluation": models.get_model_evaluation,
    "CreateEndpoint": endpoints.create_endpoint,
    "GetEndpoint": endpoints.get_endpoint,
    "ListEndpoints": endpoints.list_endpoints,
    "UpdateEndpoint": endpoints.update_endpoint,
    "DeleteEndpoint": endpoints.delete_endpoint,
    "DeployModel": endpoints.deploy_model,
    "UndeployModel": endpoints.undeploy_model,
    "CreateTrainingPipeline": pipelines.create_training_pipeline,
    "GetTrainingPipeline": pipelines.get_training_pipeline,
    "GetOperation": operations.get_operation,
    "WaitOperation": operations.get_operation,
}


class Service:
    """Every method of the three services, over one `ProjectState`: a generic handler for `add_generic_rpc_handlers`."""

    def __init__(self, state: ProjectState, faults: Faults) -> None:
        self.state, self.faults = state, faults
        self._parsers = request_parsers()

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method, or None, which gRPC answers with UNIMPLEMENTED."""
        method = handler_call_details.method
        name = method.rpartition("/")[2]
        if method == CONTROL_METHOD:
            answer: Any = self._control
        elif method in self._parsers and name in HANDLERS:
            answer = self._answer(name)
        else:
            return None
        return grpc.unary_unary_rpc_method_handler(
            answer, self._parsers[method], lambda message: message.SerializeToString()
        )

    def _answer(self, name: str) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            try:
                await self._obstruct(name, request)
                operations.finish_due(self.state)
                found = HANDLERS[name](self.state, request)
                if self.faults.answered:
                    await asyncio.to_thread(self.faults.answered, name)
                return found
            except RpcError as error:
                await context.abort(error.code, error.message, error.trailing_metadata())

        return answer

    async def _obstruct(self, name: str, request: Any) -> None:
        fault = self.faults.next_for(name, request)
        await asyncio.sleep(self.faults.latency + (fault.hang if fault else 0))
        if fault and fault.code != "OK":
            raise RpcError(grpc.StatusCode[fault.code], fault.message, fault.retry_after)

    async def _control(self, request: Any, context: Any) -> Any:
        """`{"clear": true}`, `{"fail": {fields of Fault}}`, `{"latency": s}`, `{"quota_per_minute": n}`,
        `{"operation_seconds": s}`; answers how often each method was called."""
        asked = json_format.MessageToDict(request)
        try:
            self._apply(asked)
        except (TypeError, KeyError, ValueError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Unknown control: {error}")
        answer = struct_pb2.Struct()
        answer.update({"calls": dict(self.faults.calls)})
        return answer

    def _apply(self, asked: dict[str, Any]) -> None:
        if asked.pop("clear", False):
            self.faults.clear()
        if fault := asked.pop("fail", None):
            self.faults.fail(**{"times": 1, **fault})
        if "latency" in asked:
            self.faults.latency = float(asked.pop("latency"))
        if "quota_per_minute" in asked:
            self.faults.quota_per_minute = int(asked.pop("quota_per_minute"))
        if "operation_seconds" in asked:
            self.state.operation_seconds = float(asked.pop("operation_seconds"))
        if asked:
            raise KeyError(*asked)


async def start(
    service: Service, port: int = 0, tls: tuple[bytes, bytes] | None = None
) -> tuple[Any, str, str]:
    """A started server, its address and, with a key and a certificate for `localhost` in PEM, the one that takes TLS.
    It listens on the loopback interface only.
    """
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((service,))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    secure = ""
    if tls is not None:
        secure = f"localhost:{server.add_secure_port('127.0.0.1:0', grpc.ssl_server_credentials([tls]))}"
    await server.start()
    return server, f"127.0.0.1:{bound}", secure


@dataclass
class VertexEmulator:
    """The emulator in this process, on a thread of its own, for tests: `with VertexEmulator() as emulator:`.

    `address` is `127.0.0.1:PORT`. `faults` and `state` may be changed at any time; reading `state` while
    calls are running is not safe.
    """

    project: str = "demo"
    location: str = "us-central1"
    latency: float = 0.0
    """Seconds added to every call."""
    tls: tuple[bytes, bytes] | None = field(default=None, repr=False)
    """A key and a certificate for `localhost` in PEM: what Google's own SDK wants to meet, at `secure_address`."""
    address: str = ""
    secure_address: str = ""
    state: ProjectState = field(init=False)
    faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        self.state = ProjectState(self.project, self.location)
        self.faults = Faults(latency=self.latency)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vertex-emulator", daemon=True)

    @property
    def parent(self) -> str:
        """`projects/PROJECT/locations/LOCATION`."""
        return self.state.parent

    def __enter__(self) -> Self:
        self._thread.start()
        starting = start(Service(self.state, self.faults), tls=self.tls)
        started = asyncio.run_coroutine_threadsafe(starting, self._loop).result(30)
        self._server, self.address, self.secure_address = started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(None), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

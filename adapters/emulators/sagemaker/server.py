"""The HTTP side: JSON 1.1 by `X-Amz-Target`, STS queries, and a control path for faults."""

import json
import re
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import botocore.session
from botocore.model import OperationModel, ServiceModel

from adapters.emulators.sagemaker import components, endpoints, lineage, packages
from adapters.emulators.sagemaker.account import Account, ApiCall, ServiceError, Value
from adapters.emulators.sagemaker.faults import Faults
from adapters.emulators.sagemaker.search import search
from adapters.emulators.sagemaker.shapes import breaches, without_nulls
from adapters.emulators.sagemaker.sts import QUERIES, refusal

UNTOLD = {("DescribeModelPackage", "ModelPackageName is required")}
"""What the service leaves out of answers although their shapes want it, as its SDK has it: the name of a version."""
OPERATIONS: dict[str, Callable[[Account, ApiCall], Value]] = {
    "CreateModelPackageGroup": packages.create_group,
    "DescribeModelPackageGroup": packages.describe_group,
    "ListModelPackageGroups": packages.list_groups,
    "DeleteModelPackageGroup": packages.delete_group,
    "CreateModelPackage": packages.create_package,
    "DescribeModelPackage": packages.describe_package,
    "ListModelPackages": packages.list_packages,
    "UpdateModelPackage": packages.update_package,
    "DeleteModelPackage": packages.delete_package,
    "BatchDescribeModelPackage": packages.batch_describe,
    "AddTags": packages.add_tags,
    "DeleteTags": packages.delete_tags,
    "ListTags": packages.list_tags,
    "Search": search,
    "CreateModel": endpoints.create_model,
    "DescribeModel": endpoints.describe_model,
    "ListModels": endpoints.list_models,
    "DeleteModel": endpoints.delete_model,
    "CreateEndpointConfig": endpoints.create_config,
    "DescribeEndpointConfig": endpoints.describe_config,
    "ListEndpointConfigs": endpoints.list_configs,
    "DeleteEndpointConfig": endpoints.delete_config,
    "CreateEndpoint": endpoints.create_endpoint,
    "DescribeEndpoint": endpoints.describe_endpoint,
    "ListEndpoints": endpoints.list_endpoints,
    "UpdateEndpoint": endpoints.update_endpoint,
    "UpdateEndpointWeightsAndCapacities": endpoints.update_weights,
    "DeleteEndpoint": endpoints.delete_endpoint,
    "CreateInferenceComponent": components.create_component,
    "DescribeInferenceComponent": components.describe_component,
    "ListInferenceComponents": components.list_components,
    "UpdateInferenceComponent": components.update_component,
    "UpdateInferenceComponentRuntimeConfig": components.scale_component,
    "DeleteInferenceComponent": components.delete_component,
    "CreateArtifact": lineage.create_artifact,
    "DescribeArtifact": lineage.describe_artifact,
    "ListArtifacts": lineage.list_artifacts,
    "AddAssociation": lineage.add_association,
    "QueryLineage": lineage.query_lineage,
}
_EMPTY_LISTS = {
    "Search": "Results",
    "ListModelPackages": "ModelPackageSummaryList",
    "ListModelPackageGroups": "ModelPackageGroupSummaryList",
    "ListEndpoints": "Endpoints",
    "ListInferenceComponents": "InferenceComponents",
    "ListArtifacts": "ArtifactSummaries",
}
_MAX_BODY = 4 * 2**20


@cache
def _service() -> ServiceModel:
    return botocore.session.get_session().get_service_model("sagemaker")


class Emulator:
    """A SageMaker registry on 127.0.0.1, in threads of this process: `with Emulator() as it: it.url`.

    `account` is its content, `faults` what goes wrong. Port 0 takes a free one.
    """

    def __init__(self, port: int = 0, account: Account | None = None) -> None:
        self.account, self.faults = account or Account(), Faults()
        self.lock = threading.Lock()
        """Held while a request is carried out: `account` is changed from outside under it."""
        emulator = self

        class Handler(_Handler):
            serves = emulator

        self._server = _EmulatorServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its address, for `endpoint_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, action: str, body: bytes, access_key: str) -> bytes:
        """Carry out one JSON request, or raise ServiceError; an answer that breaks the model is noted."""
        if action not in OPERATIONS:
            raise ServiceError("UnknownOperationException", f"This emulator has no {action}")
        operation = _service().operation_model(action)
        call = ApiCall(_input(operation, body), access_key)
        self.faults.admit(action, access_key)
        if action in self.faults.endless:
            return json.dumps(
                {_EMPTY_LISTS[action]: [], "NextToken": f"never-{self.faults.calls[action]}"}
            ).encode()
        if action in self.faults.hidden:
            return json.dumps({_EMPTY_LISTS[action]: []}).encode()
        with self.lock:
            result = OPERATIONS[action](self.account, call)
        if action in self.faults.overfull:
            result = {name: rows * 40 if isinstance(rows, list) else rows for name, rows in result.items()}
        wrong = [one for one in breaches(operation.output_shape, result) if (action, one) not in UNTOLD]
        if wrong:
            self.faults.breaches.append(f"{action}: {'; '.join(wrong)}")
            raise ServiceError("InternalFailure", f"the emulator's answer breaks the model: {wrong[0]}", 500)
        body = json.dumps(result).encode()
        self.faults.answered(action)
        return body

    def query(self, body: bytes, access_key: str) -> bytes:
        """Carry out one STS request."""
        params = dict(parse_qsl(body.decode()))
        action = params.get("Action", "")
        if action not in QUERIES:
            raise ServiceError("InvalidAction", f"This emulator has no {action}")
        self.faults.admit(action, access_key)
        with self.lock:
            return QUERIES[action](self.account, ApiCall(params, access_key)).encode()


def _input(operation: OperationModel, body: bytes) -> Value:
    try:
        params = without_nulls(json.loads(body or b"{}"))
    except ValueError as error:
        raise ServiceError("SerializationException", "the body is not JSON") from error
    wrong = breaches(operation.input_shape, params)
    if wrong:
        count = "1 validation error" if len(wrong) == 1 else f"{len(wrong)} validation errors"
        raise ServiceError("ValidationException", f"{count} detected: {'; '.join(wrong)}")
    return dict(params)


class _EmulatorServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One segment a response: with headers and body apart, delayed acknowledgements cost 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    serves: Emulator

    def do_GET(self) -> None:
        if self.path == "/control":
            self._send(200, "application/json", json.dumps(self.serves.faults.state()).encode())
        else:
            self._send(404, "text/plain", b"POST JSON 1.1 here; faults are at /control\n")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY:
            self.close_connection = True
            self._send(413, "text/plain", b"too large\n")
            return
        body = self.rfile.read(length)
        if self.path == "/control":
            self._control(body)
        elif "X-Amz-Target" in self.headers:
            self._json(self.headers["X-Amz-Target"].rpartition(".")[2], body)
        else:
            self._sts(body)

    def _control(self, body: bytes) -> None:
        try:
            self.serves.faults.change(json.loads(body))
        except (ValueError, TypeError, AttributeError) as error:
            self._send(400, "text/plain", str(error).encode())
            return
        self._send(200, "application/json", json.dumps(self.serves.faults.state()).encode())

    def _json(self, action: str, body: bytes) -> None:
        status = 200
        try:
            answer = self.serves.answer(action, body, self._access_key())
        except ServiceError as error:
            status = error.status
            answer = json.dumps({"__type": error.code, "message": error.message}).encode()
        if status == 200 and self.serves.faults.loses(action):
            self.close_connection = True
        else:
            self._send(status, "application/x-amz-json-1.1", answer)

    def _sts(self, body: bytes) -> None:
        try:
            self._send(200, "text/xml", self.serves.query(body, self._access_key()))
        except ServiceError as error:
            self._send(error.status, "text/xml", refusal(error).encode())

    def _access_key(self) -> str:
        found = re.search(r"Credential=([^/,\s]+)/", self.headers.get("Authorization", ""))
        return found[1] if found else "anonymous"

    def _send(self, status: int, kind: str, body: bytes) -> None:
        faults, length = self.serves.faults, len(body)
        spoiled = faults.answers if self.path != "/control" else ""
        while spoiled == "silent" and faults.answers == spoiled:
            time.sleep(0.01)
        if spoiled in ("silent", "reset"):
            self.close_connection = True
            return
        if spoiled == "garbage":
            status, kind, body = 200, "text/html", b"<html><body>Sign in</body></html>"
            length = len(body)
        elif spoiled == "truncated":
            body, self.close_connection = body[: length // 2], True
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if status >= 400 and faults.retry_after is not None:
            self.send_header("Retry-After", str(faults.retry_after))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.serves.account.now() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the standard library
        """Nothing is logged."""

"""EndpointService: endpoints, the models deployed to them, and how traffic is split."""

from collections.abc import Callable
from typing import Any

import grpc

from adapters.emulators.vertex import operations
from adapters.emulators.vertex.faults import RpcError
from adapters.emulators.vertex.listing import invalid, matching, page_of
from adapters.emulators.vertex.models import check_labels, precondition
from adapters.emulators.vertex.state import ProjectState, not_found
from adapters.emulators.vertex.wire import (
    CreateEndpointOperationMetadata,
    DeleteOperationMetadata,
    DeployModelOperationMetadata,
    DeployModelResponse,
    Endpoint,
    ListEndpointsResponse,
    UndeployModelOperationMetadata,
    UndeployModelResponse,
)

_ORDER = {name: name for name in ("display_name", "create_time", "update_time")}
_NAMES: dict[str, Callable[[Any], str]] = {
    "endpoint": lambda row: str(row.name).rpartition("/")[2],
    "display_name": lambda row: str(row.display_name),
}


def create_endpoint(state: ProjectState, request: Any) -> Any:
    """Start creating an endpoint that serves nothing yet."""
    state.check_parent(request.parent)
    if not 0 < len(request.endpoint.display_name) <= 128:
        raise invalid("endpoint.display_name is required and has at most 128 characters.")
    check_labels(request.endpoint.labels)
    endpoint = Endpoint()
    endpoint.CopyFrom(request.endpoint)
    for field in ("deployed_models", "traffic_split", "etag"):
        endpoint.ClearField(field)
    endpoint.name = f"{state.parent}/endpoints/{request.endpoint_id or state.new_id()}"
    if endpoint.name in state.endpoints:
        raise RpcError(grpc.StatusCode.ALREADY_EXISTS, f"Endpoint {endpoint.name!r} already exists.")

    def commit() -> Any:
        endpoint.create_time.CopyFrom(state.now())
        _touch(state, endpoint)
        state.endpoints[endpoint.name] = endpoint
        return endpoint

    return operations.start(state, endpoint.name, CreateEndpointOperationMetadata(), commit)


def _touch(state: ProjectState, endpoint: Any) -> None:
    endpoint.update_time.CopyFrom(state.now())
    endpoint.etag = f"AMEw9z{endpoint.update_time.seconds:x}{endpoint.update_time.nanos:x}"


def get_endpoint(state: ProjectState, request: Any) -> Any:
    """One endpoint."""
    return state.endpoint(request.name)


def list_endpoints(state: ProjectState, request: Any) -> Any:
    """Every endpoint of the location."""
    state.check_parent(request.parent)
    rows = matching(list(state.endpoints.values()), request.filter, _NAMES)
    page, token = page_of(rows, request, _ORDER, state.largest_page)
    return ListEndpointsResponse(endpoints=page, next_page_token=token)


def update_endpoint(state: ProjectState, request: Any) -> Any:
    """Change name, description, labels or the traffic split."""
    asked = request.endpoint
    endpoint = state.endpoint(asked.name)
    fields = set(request.update_mask.paths)
    if not fields or fields - {"display_name", "description", "labels", "traffic_split"}:
        raise invalid(f"Unsupported update_mask: {sorted(fields)}")
    if asked.etag and asked.etag != endpoint.etag:
        raise RpcError(grpc.StatusCode.ABORTED, f"The etag of {asked.name!r} does not match the current one.")
    check_labels(asked.labels)
    if "traffic_split" in fields:
        _split_traffic(endpoint, asked.traffic_split)
    kept = type(asked)()
    request.update_mask.MergeMessage(asked, kept)
    for field in fields - {"traffic_split"}:
        endpoint.ClearField(field)
    kept.ClearField("traffic_split")
    endpoint.MergeFrom(kept)
    _touch(state, endpoint)
    return endpoint


def _split_traffic(endpoint: Any, split: Any) -> None:
    known = {deployed.id for deployed in endpoint.deployed_models}
    if set(split) - known:
        raise invalid(f"traffic_split names models that are not deployed: {sorted(set(split) - known)}")
    if split and (sum(split.values()) != 100 or min(split.values()) < 0):
        raise invalid("traffic_split must add up to 100.")
    shares = dict(split)
    endpoint.ClearField("traffic_split")
    endpoint.traffic_split.update(shares)


def delete_endpoint(state: ProjectState, request: Any) -> Any:
    """Delete an endpoint that serves nothing."""
    endpoint = state.endpoint(request.name)
    if endpoint.deployed_models:
        raise precondition(f"Endpoint {request.name!r} has deployed models: undeploy them first.")

    def commit() -> Any:
        return operations.empty(state.endpoints.pop(request.name, None))

    return operations.start(state, request.name, DeleteOperationMetadata(), commit)


def deploy_model(state: ProjectState, request: Any) -> Any:
    """Deploy a version; key `0` of the traffic split stands for the deployment being made."""
    endpoint = state.endpoint(request.endpoint)
    held, version = state.version(request.deployed_model.model)
    if request.traffic_split and sum(request.traffic_split.values()) != 100:
        raise invalid("traffic_split must add up to 100.")
    if endpoint.network and (request.traffic_split or endpoint.deployed_models):
        raise invalid("A private endpoint holds one deployed model and has no traffic_split.")

    def commit() -> Any:
        deployed = type(request.deployed_model)()
        deployed.CopyFrom(request.deployed_model)
        deployed.id = deployed.id or state.new_id()[-10:]
        deployed.model, deployed.model_version_id = held.name, version.id
        deployed.display_name = deployed.display_name or held.display_name
        deployed.create_time.CopyFrom(state.now())
        if endpoint.network:
            address = f"http://{deployed.id}.aiplatform.googleapis.com/v1/models/{deployed.id}:predict"
            deployed.private_endpoints.predict_http_uri = address
        endpoint.deployed_models.append(deployed)
        if request.traffic_split:
            split = dict(request.traffic_split)
            _split_traffic(endpoint, {deployed.id if key == "0" else key: split[key] for key in split})
        _touch(state, endpoint)
        return DeployModelResponse(deployed_model=deployed)

    return operations.start(state, endpoint.name, DeployModelOperationMetadata(), commit)


def undeploy_model(state: ProjectState, request: Any) -> Any:
    """Take a deployment away, once no traffic goes to it."""
    endpoint = state.endpoint(request.endpoint)
    left = [deployed for deployed in endpoint.deployed_models if deployed.id != request.deployed_model_id]
    if len(left) == len(endpoint.deployed_models):
        raise not_found(f"{request.endpoint} deployed model {request.deployed_model_id}")
    split = dict(request.traffic_split or endpoint.traffic_split) if left else {}
    if split.get(request.deployed_model_id) and not endpoint.network:
        raise precondition("The deployed model still has traffic: give traffic_split without it.")

    def commit() -> Any:
        kept = [type(deployed).FromString(deployed.SerializeToString()) for deployed in left]
        endpoint.ClearField("deployed_models")
        endpoint.deployed_models.extend(kept)
        _split_traffic(endpoint, {key: split[key] for key in split if key != request.deployed_model_id})
        _touch(state, endpoint)
        return UndeployModelResponse()

    return operations.start(state, endpoint.name, UndeployModelOperationMetadata(), commit)

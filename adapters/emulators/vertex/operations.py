"""Long-running operations: started by a call, finished at once or after `state.operation_seconds`."""

import time
from collections.abc import Callable
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2

from adapters.emulators.vertex.faults import RpcError
from adapters.emulators.vertex.state import Pending, ProjectState, not_found


def empty(_: object = None) -> Any:
    """What a delete answers."""
    return empty_pb2.Empty()


def start(state: ProjectState, resource: str, metadata: Any, commit: Callable[[], Any]) -> Any:
    """An operation on `resource` whose effect and answer come from `commit`, once its time has come."""
    operation = operations_pb2.Operation(name=f"{resource}/operations/{state.new_id()}")
    metadata.generic_metadata.create_time.CopyFrom(state.now())
    metadata.generic_metadata.update_time.CopyFrom(state.now())
    packed = any_pb2.Any()
    packed.Pack(metadata)
    operation.metadata.CopyFrom(packed)
    state.operations[operation.name] = Pending(operation, commit, time.monotonic() + state.operation_seconds)
    finish_due(state)
    return operation


def finish_due(state: ProjectState) -> None:
    """Apply every operation whose time has come, in the order they were started."""
    for pending in list(state.operations.values()):
        if not pending.operation.done and pending.due <= time.monotonic():
            _finish(pending)


def _finish(pending: Pending) -> None:
    try:
        response = pending.commit()
    except RpcError as error:
        code = error.code.value[0]
        pending.operation.error.CopyFrom(status_pb2.Status(code=code, message=error.message))
    else:
        pending.operation.response.Pack(response)
    pending.operation.done = True


def get_operation(state: ProjectState, request: Any) -> Any:
    """The operation as it stands now."""
    if request.name not in state.operations:
        raise not_found(request.name)
    return state.operations[request.name].operation

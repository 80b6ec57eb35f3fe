"""Every route of MLflow's dialect. One base for each registry, since a name with `/` in `models:/…` is misread."""

from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any

import anyio
import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from federation.access import Permission
from gateway.api.requests import AnyRequest, needs, routes_in
from gateway.mlflow import artifacts, beside, models, versions, writes
from gateway.mlflow.asked import read_asked
from gateway.mlflow.facade import FRESH, facade_of

API = "/api/2.0/mlflow"
Answer = Callable[..., Any]
"""What is asked of a façade: a JSON object, or a coroutine that gives one."""
READS: Mapping[str, Answer] = {
    f"GET {API}/registered-models/get": models.get_model,
    f"GET {API}/registered-models/search": models.search_models,
    f"GET {API}/registered-models/get-latest-versions": models.get_latest_versions,
    f"POST {API}/registered-models/get-latest-versions": models.get_latest_versions,
    f"GET {API}/registered-models/alias": models.get_by_alias,
    f"GET {API}/model-versions/get": versions.get_version,
    f"GET {API}/model-versions/search": versions.search_versions,
    f"GET {API}/model-versions/get-download-uri": versions.get_download_uri,
    f"GET {API}/runs/get": beside.get_run,
    f"GET {API}/logged-models/{{model_id:str}}": beside.get_logged_model,
    f"POST {API}/logged-models/search": beside.search_logged_models,
    f"PATCH {API}/logged-models/{{model_id:str}}/tags": beside.tag_logged_model,
    f"GET {API}/webhooks": beside.not_here,
    f"POST {API}/webhooks": beside.not_here,
    "GET /api/3.0/mlflow/server-info": beside.server_info,
}
"""What is answered from the catalogue."""


WRITES: Mapping[str, tuple[Answer, Permission]] = {
    f"POST {API}/registered-models/create": (writes.create_model, Permission.REGISTER),
    f"POST {API}/registered-models/rename": (writes.rename_model, Permission.CHANGE),
    f"PATCH {API}/registered-models/update": (writes.update_model, Permission.TAG),
    f"DELETE {API}/registered-models/delete": (writes.delete_model, Permission.DELETE),
    f"POST {API}/registered-models/set-tag": (writes.tag_model, Permission.TAG),
    f"DELETE {API}/registered-models/delete-tag": (writes.untag_model, Permission.TAG),
    f"POST {API}/registered-models/alias": (writes.set_alias, Permission.CHANGE),
    f"DELETE {API}/registered-models/alias": (writes.delete_alias, Permission.CHANGE),
    f"POST {API}/model-versions/create": (writes.create_version, Permission.REGISTER),
    f"PATCH {API}/model-versions/update": (writes.update_version, Permission.TAG),
    f"DELETE {API}/model-versions/delete": (writes.delete_version, Permission.DELETE),
    f"POST {API}/model-versions/transition-stage": (writes.transition_stage, Permission.CHANGE),
    f"POST {API}/model-versions/set-tag": (writes.tag_version, Permission.TAG),
    f"DELETE {API}/model-versions/delete-tag": (writes.untag_version, Permission.TAG),
}
"""What is an operation on the registry's backend."""


def route(address: str, answer: Answer, permission: Permission) -> HTTPRouteHandler:
    """The route of one call of MLflow's API, under each registry."""
    method, path = address.split(" ")

    async def handle(request: AnyRequest) -> Response[bytes]:
        facade = facade_of(request)
        asked = await read_asked(request)
        if FRESH in request.headers:
            await facade.refresh()
        places = {name: value for name, value in request.path_params.items() if name != "registry"}
        headers = facade.headers
        if iscoroutinefunction(answer):
            found = await answer(facade, asked, **places)
        else:
            found = await anyio.to_thread.run_sync(lambda: answer(facade, asked, **places))
        return Response(msgspec.json.encode(found), media_type="application/json", headers=headers)

    handle.__name__ = f"mlflow_{answer.__name__}"
    made = HTTPRouteHandler(
        f"/{{registry:str}}{path}",
        http_method=method,  # type: ignore[arg-type]
        opt=needs(permission),
        status_code=200,
        include_in_schema=False,
    )
    return made(handle)


HANDLERS: list[Any] = [
    *routes_in(artifacts),
    *(route(address, answer, Permission.READ) for address, answer in READS.items()),
    *(route(address, change, permission) for address, (change, permission) in WRITES.items()),
]

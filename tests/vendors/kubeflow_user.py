"""Runs in the vendor's own environment: works with `model_registry` as it is told, one JSON line for each call.

The generated models below it (`mr_openapi`) read every answer, and are asked directly for what the client has no method
for.
"""

import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

warnings.simplefilter("ignore")

from model_registry import ModelRegistry  # noqa: E402 - it warns while it is imported
from model_registry.types import ModelVersion, RegisteredModel  # noqa: E402
from mr_openapi import (  # noqa: E402
    InferenceServiceCreate,
    ServingEnvironmentCreate,
)

registry: Any = None
LISTINGS = (
    "get_registered_models", "get_model_versions", "get_model_artifacts", "get_serving_environments",
    "get_inference_services",
)  # fmt: skip


def connect(url: str, token: str) -> None:
    """Work on this registry from now on."""
    global registry
    address, _, port = url.rpartition(":")
    registry = ModelRegistry(address, int(port), author="ada", is_secure=False, user_token=token)


def generated(method: str, *args: Any, **given: Any) -> Any:
    """What a method of the generated client answers."""

    async def call() -> Any:
        async with registry._api.get_client() as client:
            return await getattr(client, method)(*args, **given)

    return registry.async_runner(call())


def register(name: str, version: str, uri: str, **metadata: Any) -> str:
    """A version, and its model where there is none; the version's id."""
    registry.register_model(
        name, uri, version=version, model_format_name="onnx", model_format_version="1", metadata=metadata
    )
    return str(registry.get_model_version(name, version).id)


def change(name: str, version: str | None = None, **changed: Any) -> None:
    """Change a version, or a model, as users do: read it, set something, `update`."""
    found = registry.get_model_version(name, version) if version else registry.get_registered_model(name)
    for field, value in changed.items():
        setattr(found, field, value)
    registry.update(found)


def serve(environment: str, service: str, name: str, version: str | None) -> None:
    """An inference service, in an environment that is made where it is new."""
    places = {one.name: one.id for one in generated("get_serving_environments").items}
    place = places.get(environment)
    if place is None:
        place = generated("create_serving_environment", ServingEnvironmentCreate(name=environment)).id
    model = registry.get_registered_model(name)
    ident = registry.get_model_version(name, version).id if version else None
    given = InferenceServiceCreate(
        name=service, registered_model_id=model.id, serving_environment_id=place, model_version_id=ident
    )
    generated("create_inference_service", given)


def everything() -> dict[str, Any]:
    """Every model with its versions, as users read them."""
    told: dict[str, Any] = {}
    for model in registry.get_registered_models().page_size(2):
        versions = {one.name: _told(one) for one in registry.get_model_versions(model.name).page_size(2)}
        told[model.name] = {"model": _told(model), "versions": versions}
    return told


def served(service: str) -> str:
    """The version that an inference service serves."""
    [found] = [one for one in generated("get_inference_services").items if one.name == service]
    return str(generated("get_inference_service_version", found.id).name)


def validated() -> dict[str, int]:
    """How many of each the generated models read, page by page."""
    counts = {}
    for listing in LISTINGS:
        token, found = None, 0
        while token != "":
            page = generated(listing, page_size="2", next_page_token=token, order_by="ID", sort_order="ASC")
            assert page.size == len(page.items)
            found, token = found + page.size, page.next_page_token
        counts[listing] = found
    return counts


def artifact(name: str, version: str) -> list[str]:
    """Where a version's file lies, and its format."""
    found = registry.get_model_artifact(name, version)
    return [found.uri, found.model_format_name, found.model_source_id]


def _told(found: RegisteredModel | ModelVersion) -> list[Any]:
    return [found.state.value, found.description, found.custom_properties or {}]


CALLS: dict[str, Callable[..., Any]] = {
    one.__name__: one for one in (connect, register, change, serve, everything, served, validated, artifact)
}


def main() -> None:
    """One call after another: `[name, args, kwargs]`; the answer is `[result, null]` or `[null, error]`."""
    for line in sys.stdin:
        name, args, given = json.loads(line)
        try:
            answer = [CALLS[name](*args, **given), None]
        except Exception as error:
            answer = [None, [type(error).__name__, getattr(error, "status", None) or str(error)[:200]]]
        print(json.dumps(answer, default=str), flush=True)


main()

"""Runs in the vendors' own environment: works on Unity Catalog as it is told, one JSON line for each call.

`databricks-sdk` as users of Databricks do; `unitycatalog-client` for what that cannot (versions are made) and for an
open-source server.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import unitycatalog.client as open_source
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

workspace: Any = None
opened: Any = None


def connect(url: str, token: str) -> None:
    """Work on this metastore from now on."""
    global workspace, opened
    workspace = WorkspaceClient(config=Config(host=url, token=token, retry_timeout_seconds=1))
    opened = open_source.Configuration(host=f"{url}/api/2.1/unity-catalog"), token


def through(api: str, method: str, *args: Any, **given: Any) -> Any:
    """What a method of the open-source client answers."""

    async def call() -> Any:
        configuration, token = opened
        async with open_source.ApiClient(configuration) as client:
            client.set_default_header("Authorization", f"Bearer {token}")  # it sends none by itself
            return await getattr(getattr(open_source, api)(client), method)(*args, **given)

    return asyncio.run(call())


def create(name: str, comment: str | None = None) -> None:
    """A model, by Databricks' SDK."""
    catalog, schema, last = name.split(".")
    workspace.registered_models.create(name=last, catalog_name=catalog, schema_name=schema, comment=comment)


def add(name: str, run_id: str) -> int:
    """A version that is ready, by the open-source client; its number."""
    catalog, schema, last = name.split(".")
    given = {
        "catalog_name": catalog,
        "schema_name": schema,
        "model_name": last,
        "run_id": run_id,
        "source": "s3://m",
    }
    made = through("ModelVersionsApi", "create_model_version", open_source.CreateModelVersion(**given))
    wanted = open_source.FinalizeModelVersion(full_name=name, version=made.version)
    through("ModelVersionsApi", "finalize_model_version", name, made.version, wanted)
    return int(made.version)


def alias(name: str, word: str, version: int | None) -> None:
    """Move an alias, or take it away."""
    if version is None:
        workspace.registered_models.delete_alias(name, word)
    else:
        workspace.registered_models.set_alias(name, word, version)


def describe(name: str, comment: str, version: int | None = None) -> None:
    """Write a comment."""
    if version is None:
        workspace.registered_models.update(name, comment=comment)
    else:
        workspace.model_versions.update(name, version, comment=comment)


def rename(name: str, last: str) -> None:
    """Give a model another name in its schema."""
    workspace.registered_models.update(name, new_name=last)


def delete(name: str, version: int | None = None) -> None:
    """Delete a version or a model."""
    if version is None:
        workspace.registered_models.delete(name)
    else:
        workspace.model_versions.delete(name, version)


def everything() -> Mapping[str, Any]:
    """Every model with its comment, aliases and versions, as Databricks' SDK reads them."""
    told = {}
    for listed in workspace.registered_models.list(max_results=2):
        found = workspace.registered_models.get(listed.full_name, include_aliases=True)
        aliases = {one.alias_name: str(one.version_num) for one in found.aliases or []}
        versions = {
            str(one.version): [one.status.value, one.comment, one.run_id]
            for one in workspace.model_versions.list(listed.full_name, max_results=2)
        }
        told[found.full_name] = {"comment": found.comment, "aliases": aliases, "versions": versions}
    return told


def everything_open() -> Mapping[str, Any]:
    """The same, without aliases, as the open-source client reads it."""
    told, token = {}, None
    while True:
        page = through("RegisteredModelsApi", "list_registered_models", max_results=2, page_token=token)
        for one in page.registered_models:
            versions = through("ModelVersionsApi", "list_model_versions", one.full_name).model_versions
            rows = {str(each.version): [each.status.value, each.comment, each.run_id] for each in versions}
            told[one.full_name] = {"comment": one.comment, "versions": rows}
        token = page.next_page_token
        if not token:
            return told


CALLS: dict[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (connect, create, add, alias, describe, rename, delete, everything, everything_open)
}


def main() -> None:
    """One call after another: `[name, args, kwargs]`; the answer is `[result, null]` or `[null, error]`."""
    for line in sys.stdin:
        name, args, given = json.loads(line)
        try:
            answer = [CALLS[name](*args, **given), None]
        except Exception as error:
            answer = [None, [type(error).__name__, str(error)[:200]]]
        print(json.dumps(answer, default=str), flush=True)


main()

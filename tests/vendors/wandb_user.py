"""Runs in the vendor's own environment: works with `wandb.Api` as it is told, one JSON line for each call."""

import base64
import json
import os
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

os.environ |= {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}

import wandb
from wandb.sdk.artifacts import _generated as generated

api: Any = None
organization = address = signed = ""


def connect(url: str, key: str, name: str) -> None:
    """Work on this organisation from now on."""
    global api, organization, address, signed
    api, organization, address = wandb.Api(overrides={"base_url": url}, api_key=key), name, url
    signed = f"Basic {base64.b64encode(f'api:{key}'.encode()).decode()}"


def everything() -> dict[str, Any]:
    """Every collection with its versions, as users read them."""
    told: dict[str, Any] = {}
    for registry in api.registries(organization=organization):
        short = registry.name.removeprefix("wandb-registry-")
        for collection in registry.collections():
            told[f"{short}/{collection.name}"] = {"description": collection.description, "versions": {}}
        for version in registry.versions():
            name, _, number = version.name.partition(":")
            aliases = sorted(one for one in version.aliases if one != number)
            found = [version.digest, version.source_qualified_name, aliases]
            told[f"{short}/{name.rpartition('/')[2]}"]["versions"][version.version] = found
    return told


def lineage(name: str) -> list[Any]:
    """The run that logged a version, and those that used it, as the client's generated models read the answers.

    Its own methods load whole runs.
    """
    ident = api.artifact(name).id
    made = generated.ArtifactCreatedBy.model_validate(asked(generated.ARTIFACT_CREATED_BY_GQL, ident))
    used = generated.ArtifactUsedBy.model_validate(asked(generated.ARTIFACT_USED_BY_GQL, ident))
    return [made.artifact.created_by.name, sorted(edge.node.name for edge in used.artifact.used_by.edges)]


def asked(query: str, ident: str) -> Any:
    """The data that is answered to a query about an artifact."""
    body = json.dumps({"query": query, "variables": {"id": ident}}).encode()
    headers = {"Content-Type": "application/json", "Authorization": signed}
    with urllib.request.urlopen(urllib.request.Request(f"{address}/graphql", body, headers)) as answer:
        return json.load(answer)["data"]


def move(name: str, add: list[str], remove: list[str]) -> None:
    """Change a version's aliases as users do."""
    found = api.artifact(name)
    found.aliases = [one for one in [*found.aliases, *add] if one not in remove]
    found.save()


def link(name: str, target: str, aliases: list[str]) -> str:
    """Link what was logged to a collection, as users do; which version of it that is."""
    return str(api.artifact(name).link(target, aliases=aliases).version)


CALLS: dict[str, Callable[..., Any]] = {
    one.__name__: one for one in (connect, everything, lineage, link, move)
}


def main() -> None:
    """One call after another: `[name, args, kwargs]`; the answer is `[result, null]` or `[null, error]`."""
    for line in sys.stdin:
        name, args, given = json.loads(line)
        try:
            answer = [CALLS[name](*args, **given), None]
        except Exception as error:
            answer = [None, [type(error).__name__, str(error)[:300]]]
        print(json.dumps(answer, default=str), flush=True)


main()

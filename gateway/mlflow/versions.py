"""`model-versions/`: reading versions, finding them, and where their files are."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import anyio

from federation.catalogue.catalogue import ListedVersion, ListRequest
from federation.errors import WaypostError
from gateway.handing import FileQuestion
from gateway.mlflow.asked import CallFields
from gateway.mlflow.errors import invalid, missing
from gateway.mlflow.facade import Facade
from gateway.mlflow.grammar import (
    PROMPT,
    VERSIONS,
    Clause,
    read_filter,
    read_order,
    read_token,
    token_of,
    version_holds,
)
from gateway.mlflow.models import exact_name, is_plain, parts_of_name
from gateway.mlflow.shapes import PROXIED, proxied, version_shape

DEFAULT_RESULTS, MOST_RESULTS = 10_000, 200_000
LARGEST_PAGE = 10_000
"""Versions of one answer; a client that asks for more is given a token for the rest."""
UNPACKED = (".tar.gz", ".tgz", ".tar")
ARCHIVES = (".zip", ".tar.bz2", ".tar.xz")
INDIRECT = ("models", "runs")
"""Schemes of addresses that only the registry's backend can follow."""


def get_version(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """One version."""
    found = facade.version(asked.text("name"), asked.text("version"))
    return {"model_version": version_shape(found, facade.base)}


def search_versions(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """Versions, a page of them."""
    limit = min(asked.number("max_results", DEFAULT_RESULTS, MOST_RESULTS), LARGEST_PAGE)
    text, order = asked.optional("filter") or "", asked.texts("order_by")
    clauses = read_filter(text, VERSIONS)
    whole = f"{text}\0{order}"
    request = ListRequest(
        registry_id=facade.known[0],
        order=read_order(order, VERSIONS),
        limit=limit,
        after=read_token(asked.optional("page_token"), whole),
        name=exact_name(clauses),
        naming=parts_of_name(clauses),
        among=None if exact_name(clauses) is not None else _among(facade, clauses),
        holds=version_holds(clauses),
    )
    if not limit:
        return {}
    page = facade.waypost.catalogue.versions(facade.view, request)
    answer: dict[str, Any] = {}
    if page.rows:
        answer["model_versions"] = [version_shape(one, facade.base, in_list=True) for one in page.rows]
    if page.after:
        answer["next_page_token"] = token_of(page.after, whole)
    return answer


async def get_download_uri(facade: Facade, asked: CallFields) -> dict[str, Any]:
    """Where the files of a version are, for a client that may show its token there."""
    name, version = asked.text("name"), asked.text("version")
    found = await anyio.to_thread.run_sync(facade.version, name, version)
    uri = found.record.artifact_uri
    if not uri:
        raise missing(
            f"Model Version (name={name}, version={version}) has no files that its registry knows of"
        )
    if urlsplit(uri).scheme in INDIRECT:
        question = FileQuestion(facade.registry, found.model, found.record.version, wants="address")
        with suppress(WaypostError):  # then it is asked again for each file
            uri = (await facade.waypost.artifacts.told(question)).address or uri
    return {"artifact_uri": await anyio.to_thread.run_sync(reachable, facade, found, uri)}


def reachable(facade: Facade, version: ListedVersion, uri: str) -> str:
    """The address of a version's files for a client: in the object store, or at this gateway. Errors: 400."""
    scheme = urlsplit(uri).scheme
    if scheme in PROXIED or scheme in INDIRECT:
        return proxied(version, facade.base)
    can_reach = facade.waypost.files.reaches(facade.known[0], uri)
    if uri.lower().endswith(ARCHIVES if can_reach else (*ARCHIVES, *UNPACKED)):
        raise invalid(
            f"the files of this version are one archive, {uri}, which MLflow cannot load. Waypost unpacks "
            f"{', '.join(UNPACKED)} where config.artifacts of the registry names an address above it; otherwise "
            "register the unpacked folder"
        )
    return proxied(version, facade.base) if can_reach else uri


def _among(facade: Facade, clauses: Sequence[Clause]) -> Sequence[tuple[str, str]] | None:
    """Versions among which all that are wanted must be, found by the index."""
    for one in clauses:
        if one.comparator != "=" or not isinstance(one.value, str) or not is_plain(one.value):
            continue
        if one.is_tag and one.key != PROMPT and is_plain(one.key):
            found = facade.among(f'tag.{one.key}:"{one.value}"')
        elif one.key == "run_id" and not one.is_tag:
            found = facade.among(f'run:"{one.value}"')
        else:
            continue
        if found is not None:
            return found
    return None

"""From Unity Catalog's JSON to records."""

import re
from collections.abc import Mapping

from adapters.keys import KeyParts
from adapters.naming import reference
from adapters.payloads import Raw, epoch_of, integer, pairs, part, parts, text
from adapters.records import Dataset, Lineage, ModelRecord, Parent, Unread, VersionRecord
from adapters.unity.keys import of_model, of_version
from adapters.writing import digest

READY = "READY"
PAGES = "/explore/data/models"
"""Where Databricks shows models."""
WORKSPACE = "run_workspace_id"
"""A tag that says in which workspace a version's run is."""
_COPIED = re.compile(r"models:/([^/@]+)/(\d+)")


def to_model(raw: Raw, page: str | None, unread: Unread | None = None) -> ModelRecord:
    """A model; `page` is where its server shows models, `unread` what is not known. Errors: `BadRecordError`."""
    at = of_model(raw)
    return ModelRecord(
        key=at.model,
        name=at.name,
        description=text(raw, "comment"),
        owner=text(raw, "owner"),
        tags=tags_of(raw),
        aliases=_aliases(raw),
        created_at=epoch_of(raw, "created_at"),
        updated_at=epoch_of(raw, "updated_at"),
        etag=digest(raw),
        url=_url(page, at),
        native=raw,
        unread=unread,
    )


def to_version(model: KeyParts, raw: Raw, page: str | None, unread: Unread | None = None) -> VersionRecord:
    """A version of this model. Errors: `BadRecordError`."""
    at = of_version(model, raw)
    version, status = at.version or "", text(raw, "status")
    workspace = integer(raw.get("run_workspace_id"))
    return VersionRecord(
        key=at.key,
        model=at.model,
        version=version,
        state=None if status == READY else status,
        description=text(raw, "comment"),
        tags=tags_of(raw) | ({} if workspace is None else {WORKSPACE: str(workspace)}),
        creator=text(raw, "created_by"),
        artifact_uri=text(raw, "storage_location") or text(raw, "source"),
        addresses=(f"models:/{at.name}/{version}",),
        lineage=_lineage(raw),
        created_at=epoch_of(raw, "created_at"),
        updated_at=epoch_of(raw, "updated_at"),
        etag=digest(raw),
        url=_url(page, at),
        native=raw,
        unread=unread,
    )


def tags_of(raw: Raw) -> dict[str, str]:
    """The tags that were read of a model or version."""
    return pairs(raw.get("tags"), "key", "value")


def _lineage(raw: Raw) -> Lineage:
    copied = _COPIED.fullmatch(text(raw, "source") or "")
    tables = [
        text(one, "table", "table_full_name")
        for one in parts(part(raw, "model_version_dependencies"), "dependencies")
    ]
    return Lineage(
        run_id=text(raw, "run_id"),
        datasets=tuple(Dataset(name) for name in tables if name),
        parents=(Parent(reference(copied[1], copied[2]), "copy"),) if copied else (),
    )


def _aliases(raw: Raw) -> Mapping[str, str]:
    found = {text(one, "alias_name"): integer(one.get("version_num")) for one in parts(raw, "aliases")}
    return {name: str(number) for name, number in found.items() if name and number is not None}


def _url(page: str | None, at: KeyParts) -> str | None:
    if page is None:
        return None
    more = "" if at.version is None else f"/version/{at.version}"
    return f"{page}{PAGES}/{at.name.replace('.', '/')}{more}"

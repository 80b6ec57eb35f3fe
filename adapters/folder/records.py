"""Records of what lies in folders: from names, sidecars and headers; no I/O."""

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, get_args
from urllib.parse import quote

from adapters.errors import BadRecordError
from adapters.folder.config import FolderConfig
from adapters.folder.keys import Names, model_key, version_key
from adapters.folder.memory import Content
from adapters.formats import Facts
from adapters.parsing import Bounds, parse_yaml
from adapters.payloads import Raw, part, text
from adapters.records import (
    Dataset,
    Lineage,
    ModelRecord,
    Parent,
    ParentKind,
    VersionRecord,
)
from adapters.writing import digest

BOUNDS = Bounds(size=1 << 16, depth=16, nodes=5000)
"""Of a sidecar, which a person writes."""
EARLIEST, DAY = 946_684_800, 86_400
"""Seconds since 1970: times before 2000 are those of a tool that knew none."""
KINDS = get_args(ParentKind)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a folder's sidecar says, and when it was written (seconds since 1970, 0 without one)."""

    raw: Raw
    written: float

    @classmethod
    def read(cls, given: str, what: str, written: float) -> "Sidecar":
        """Errors: `BadRecordError` where it is no mapping, or cannot be read."""
        raw = parse_yaml(given, what, BOUNDS)
        if not isinstance(raw, dict | None):
            raise BadRecordError(f"{what} is no mapping of names to values: look at it on the share")
        return cls(raw or {}, written)

    @property
    def plain(self) -> Raw:
        """The same as JSON has it."""
        return {name: _plain(value) for name, value in self.raw.items()}

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of texts; a list of words is one without values."""
        found = self.raw.get(name)
        if isinstance(found, list):
            return {word: "" for word in found if isinstance(word, str) and word}
        return {key: _text(value) for key, value in found.items() if key} if isinstance(found, dict) else {}

    def entries(self, name: str, key: str) -> Iterator[Raw]:
        """The entries of a list as mappings; an entry that is a text is its `key`."""
        found = self.raw.get(name)
        for entry in found if isinstance(found, list) else [found]:
            entry = {key: entry} if isinstance(entry, str) else entry
            if isinstance(entry, dict) and text(entry, key):
                yield entry


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the share lies, and where people see it."""

    config: FolderConfig

    def uri(self, names: Names) -> str:
        """The folder's address as a file of this machine."""
        return PurePosixPath(self.config.path, *names).as_uri()

    def url(self, names: Names) -> str | None:
        """Where a browser finds it."""
        base = self.config.base_url
        return None if base is None else "/".join((base, *(quote(name, safe="") for name in names)))


def to_model(
    addresses: Addresses, names: Names, said: Sidecar, versions: list[str], links: Mapping[str, str]
) -> ModelRecord:
    """A model. Links to one of its versions are aliases, beside those of the sidecar."""
    linked = {alias: target for alias, target in links.items() if target.rstrip("/") in versions}
    aliases = {alias: version for alias, version in said.texts("aliases").items() if version in versions}
    return ModelRecord(
        key=model_key(names),
        name="/".join(names),
        title=text(said.raw, "title"),
        type=text(said.raw, "type") or "model",
        description=text(said.raw, "description"),
        owner=text(said.raw, "owner"),
        license=text(said.raw, "license"),
        tags=said.texts("tags"),
        aliases=aliases | {alias: target.rstrip("/") for alias, target in linked.items()},
        updated_at=_moment(said.written),
        etag=digest([said.raw, linked]),
        url=addresses.url(names),
        native={"folder": "/".join(names), "links": linked, "sidecar": said.plain},
    )


def to_version(
    addresses: Addresses, model: Names, version: str, said: Sidecar, content: Content
) -> VersionRecord:
    """A version. What the sidecar says comes before what headers say."""
    facts = Facts([header for header in content.headers if header is not None])
    cut = [f.name for f, h in zip(content.files, content.headers, strict=True) if h is not None and h.is_cut]
    whole, written = digest_of(content), max(file.written for file in content.files) / 1e9
    uri = addresses.uri((*model, version))
    return VersionRecord(
        key=version_key(model, version, whole),
        model=model_key(model),
        version=version,
        state=f"incomplete: {cut[0]} is shorter than its header says" if cut else None,
        description=text(said.raw, "description") or facts.description,
        stage=text(said.raw, "stage"),
        tags=said.texts("tags"),
        metrics={name: value for name, value in part(said.raw, "metrics").items() if _is_number(value)},
        params={**facts.params, **said.texts("params")},
        framework=text(said.raw, "framework") or facts.framework,
        license=text(said.raw, "license") or facts.license,
        owner=text(said.raw, "owner"),
        creator=text(said.raw, "creator") or facts.author,
        schema=facts.schema,
        artifact_uri=uri,
        artifact_digest=whole,
        addresses=(uri,),
        lineage=_lineage(said, facts),
        created_at=_moment(written),
        updated_at=_moment(max(written, said.written)),
        etag=digest(said.raw),
        url=addresses.url((*model, version)),
        native={"files": list(_files(content)), "metadata": facts.metadata, "sidecar": said.plain},
    )


def digest_of(content: Content) -> str:
    """The digest of a version: its file's own, or that of the lines that `sha256sum` writes of several."""
    if len(content.files) == 1 and content.digests[0]:
        return f"sha256:{content.digests[0]}"
    lines = [
        f"{sha or f'link {file.link}'}  {file.name}\n"
        for file, sha in sorted(
            zip(content.files, content.digests, strict=True), key=lambda pair: pair[0].name
        )
    ]
    return f"sha256:{hashlib.sha256(''.join(lines).encode('utf-8', 'replace')).hexdigest()}"


def _files(content: Content) -> Iterator[Raw]:
    """Each file with what its header says. Pickles are named: who loads one runs it."""
    for file, sha, header in zip(content.files, content.digests, content.headers, strict=True):
        found: Raw = {"name": file.name, "size": file.sign[2]}
        found |= {"sha256": sha} if file.link is None else {"link": _text(file.link)}
        if header is not None:
            found |= {"format": header.format}
            found |= {"imports": list(header.imports)} if header.imports else {}
            found |= {"problem": header.problem} if header.problem else {}
        yield found


def _lineage(said: Sidecar, facts: Facts) -> Lineage:
    """Where it comes from: what the sidecar says of it, else what the files do."""
    parents = tuple(Parent(one["model"], _kind(one)) for one in said.entries("base_models", "model"))
    datasets = tuple(
        Dataset(
            text(one, "name") or Dataset.at(one["uri"]).name,
            text(one, "digest"),
            one["uri"],
            text(one, "role"),
        )
        for one in said.entries("datasets", "uri")
    )
    return Lineage(
        **{name: text(said.raw, name) for name in ("run_id", "run_url", "commit", "repository", "pipeline")},
        datasets=datasets or facts.datasets,
        parents=parents or facts.base_models,
        dependencies=tuple(one["model"] for one in said.entries("depends_on", "model")),
    )


def _kind(parent: Raw) -> ParentKind:
    return next((kind for kind in KINDS if kind == parent.get("kind")), "base")


def _text(value: Any) -> str:
    """A value of a sidecar as text: numbers as they are, a list or mapping as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A value as JSON has it: no number is infinite."""
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {key: _plain(each) for key, each in value.items()}
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _moment(seconds: float) -> datetime | None:
    """A time of the share; None where it cannot be meant."""
    if not EARLIEST <= seconds <= time.time() + DAY:
        return None
    return datetime.fromtimestamp(seconds, UTC)

"""From the Hub's JSON to records. Nothing of it is certain: a card is a text that strangers wrote.

A repository is a model; its `main` branch is a version, which changes with every commit, and so is each tag. Any other
branch is an alias of the version that is at its head, where there is one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from adapters.cards import RELATIONS, datasets_of, license_of, metrics_of, own_results, texts
from adapters.errors import BadRecordError
from adapters.huggingface.client import of_commit
from adapters.huggingface.config import HUB, HuggingFaceConfig
from adapters.huggingface.keys import MAIN, NativeId, is_readable
from adapters.naming import reference
from adapters.payloads import Raw, at, moment, part, parts, text
from adapters.records import Lineage, ModelRecord, Parent, Unread, VersionRecord
from adapters.scanning import attempt
from adapters.writing import digest

ELSEWHERE = frozenset({"base_model", "dataset", "license"})
"""Tags of the Hub that say what other fields say."""
REFS = ("aliases", "native.refs")


@dataclass(slots=True)
class Repository:
    """What was read of one repository. `commits` holds what each commit holds that a tag names; `unread` says why
    neither tags nor branches are known.
    """

    config: HuggingFaceConfig
    row: Raw
    tags: dict[str, str | None] = field(default_factory=dict)
    branches: dict[str, str | None] = field(default_factory=dict)
    commits: dict[str, Raw] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Why a commit could not be read."""
    unread: str | None = None
    is_partial: bool = False
    """Something failed that may not fail the next time."""

    @property
    def name(self) -> str:
        """ORGANISATION/NAME."""
        return str(self.row["id"])

    @property
    def address(self) -> NativeId:
        """What its keys are made of."""
        return NativeId(self.row["_id"], self.name)

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self.config.url}/{self.name}"

    def aliases(self) -> dict[str, str]:
        """The version at the head of each other branch: the tag there that is named last, else `main`."""
        named = {self.row.get("sha"): MAIN} | {self.tags[tag]: tag for tag in sorted(self.tags, key=_natural)}
        heads = {name: commit for name, commit in self.branches.items() if commit and name != MAIN}
        return {name: named[commit] for name, commit in sorted(heads.items()) if commit in named}

    def link(self, name: str) -> str:
        """What users call a version, or (without a revision) the repository."""
        return f"hf://{name}" if self.config.url == HUB else f"{self.config.url}/{name}"


def to_model(found: Repository) -> ModelRecord:
    """A repository. Errors: `BadRecordError`."""
    row, card = found.row, part(found.row, "cardData")
    refs = {"tags": found.tags, "branches": found.branches}
    flags = {name: str(row[name]).lower() for name in ("gated", "private", "disabled") if row.get(name)}
    native = row if found.unread else {**row, "refs": refs}
    return ModelRecord(
        key=found.address.model,
        name=found.name,
        owner=text(row, "author"),
        license=license_of(card),
        tags={**_tags(row), **flags},
        aliases=found.aliases(),
        created_at=_time(row, "createdAt"),
        updated_at=_time(row, "lastModified"),
        etag=digest(native),
        url=found.url,
        native=native,
        unread=Unread(REFS, found.unread) if found.unread else None,
    )


def to_versions(found: Repository) -> Iterator[VersionRecord | BadRecordError]:
    """The main branch and every tag."""
    yield attempt(to_main, found)
    for tag in sorted(found.tags, key=_natural):
        yield attempt(to_tag, found, tag)


def to_main(found: Repository) -> VersionRecord:
    """The head of the main branch. Errors: `BadRecordError`."""
    return _version(
        found, found.address._replace(tag=MAIN), of_commit(found.row), _time(found.row, "createdAt")
    )


def to_tag(found: Repository, tag: str) -> VersionRecord:
    """What a tag names. Errors: `BadRecordError`."""
    raw = found.commits.get(found.tags[tag] or "")
    if raw is None or not tag or tag == MAIN:
        why = "has the name of the main branch" if tag == MAIN else found.failed.get(found.tags[tag] or "")
        why = why or "names no commit"
        raise BadRecordError(f"tag {tag} of {found.name} {why}", native=f"{found.name}@{tag}")
    address = found.address._replace(tag=tag, commit=found.tags[tag] or "")
    return _version(found, address, raw, _time(raw, "lastModified"))


def _version(found: Repository, address: NativeId, raw: Raw, created: datetime | None) -> VersionRecord:
    commit, version, card = text(raw, "sha"), address.tag or "", part(raw, "cardData")
    if not is_readable(address.version):
        raise BadRecordError(
            f"tag {version[:80]} of {found.name} is too long, or names no commit of git's", native=found.name
        )
    results = own_results({"model-index": raw.get("model-index"), **card}, found.name)
    named = found.link(found.name)
    return VersionRecord(
        key=address.version,
        model=address.model,
        version=version,
        tags=_tags(raw),
        metrics=metrics_of(results),
        params=_parameters(raw),
        framework=text(raw, "library_name") or text(card, "library_name"),
        license=license_of(card),
        owner=text(found.row, "author"),
        artifact_uri=f"{named}@{commit}" if commit else None,
        addresses=(named, f"{named}@{MAIN}") if version == MAIN else (f"{named}@{version}",),
        lineage=_lineage(found, raw, card, commit, results),
        created_at=created,
        updated_at=_time(raw, "lastModified"),
        etag=digest([version, raw]),
        url=f"{found.url}/tree/{version}",
        native={**raw, "ref": version},
    )


def _lineage(found: Repository, raw: Raw, card: Raw, commit: str | None, results: list[Raw]) -> Lineage:
    relation = text(raw, "baseModels", "relation") or text(card, "base_model_relation")
    bases = [str(one["id"]) for one in parts(raw, "baseModels", "models") if text(one, "id")]
    named = texts(card, "base_model")
    if len(bases) < len(named):  # the Hub tells of those that it has, by the names that they have now
        bases += named
    kind = RELATIONS.get(relation, "base")
    return Lineage(
        commit=commit,
        repository=found.url,
        datasets=datasets_of(card, results, f"{found.config.url}/datasets/"),
        parents=tuple(
            Parent(reference(base) if found.config.reads(base) else found.link(base), kind)
            for base in dict.fromkeys(bases)
            if base != found.name
        ),
    )


def _parameters(raw: Raw) -> dict[str, str]:
    """How many parameters the safetensors hold, in all and by their type."""
    counts = part(raw, "safetensors", "parameters")
    named = {
        "parameters": at(raw, "safetensors", "total"),
        **{f"parameters.{name}": n for name, n in counts.items()},
    }
    return {name: str(count) for name, count in named.items() if type(count) is int}


def _tags(raw: Raw) -> dict[str, str]:
    """The Hub's tags; `name:value` is the tag `name`, which may have several values."""
    found: dict[str, list[str]] = {}
    for tag in texts(raw, "tags"):
        name, _, value = tag.partition(":")
        if name and name not in ELSEWHERE:
            found.setdefault(name, []).append(value)
    more = {"pipeline_tag": text(raw, "pipeline_tag")}
    return {name: ", ".join(values) for name, values in found.items()} | {n: v for n, v in more.items() if v}


def _time(raw: Raw, name: str) -> datetime | None:
    """Errors: `BadRecordError` for what is no time."""
    found = moment(value := raw.get(name))
    if value is not None and found is None:
        whose = text(raw, "id") or text(raw, "sha") or ""
        raise BadRecordError(f"{name} of {whose} is no time", native=whose)
    return found


def _natural(name: str) -> list[tuple[int, int | str]]:
    """So that v2 stands before v10."""
    return [
        (0, int(each)) if each.isdecimal() else (1, each) for each in re.split(r"(\d{1,18})", name) if each
    ]

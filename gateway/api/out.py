"""What the API answers: the shapes of its JSON. Times are ISO 8601 in UTC; absent values are null."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from adapters import EndpointRecord, Environment, Lineage, Schema, Snippet, Unread
from federation.catalogue.catalogue import Break, CardPart, Compared, Comparison, Model, Summary, Version
from federation.references import encode_part

if TYPE_CHECKING:
    from federation.journal.journal import Line
    from federation.search.answer import Freshness


class ServingOut(msgspec.Struct):
    """An endpoint that serves a version."""

    name: str
    state: str | None
    live: bool
    percent: float
    url: str | None
    unread: str | None = None
    """Why it is not known whole what the endpoint serves: then this is what was known last. Null where it is."""


class SnippetOut(msgspec.Struct):
    """A few lines to paste. `language` is `python`, `shell` or `curl`; credentials come from the reader."""

    title: str
    language: str
    code: str


class SnippetsOut(msgspec.Struct):
    """How to load one version; `note` says why there is nothing, where there is nothing."""

    ref: str
    snippets: list[SnippetOut]
    note: str


class CardOut(msgspec.Struct):
    """The parts of a model card that somebody wrote: intended_use, limitations, data, evaluation, ethics."""

    ref: str
    card: Mapping[str, CardPart]


class ArtifactOut(msgspec.Struct):
    """Where a version's files are."""

    uri: str | None
    digest: str | None


class VersionOut(msgspec.Struct):
    """One version. `incarnation` stays the same for as long as it exists and is never used again."""

    ref: str
    registry: str
    team: str
    kind: str
    model: str
    title: str | None
    type: str
    version: str
    incarnation: int
    stage: str
    stage_reason: str
    """The rule that decided the stage; empty where none did."""
    bypassed: Sequence[str]
    """Policies that would have refused the way it came to this stage: it was changed on the backend itself."""
    state: str | None
    """The backend's word for a version that cannot be used (yet); null for one that is ready."""
    native_stage: str | None
    approval: str | None
    lifecycle: str | None
    aliases: Sequence[str]
    deployed: bool
    endpoints: Sequence[ServingOut]
    description: str | None
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    framework: str | None
    license: str | None
    owner: str | None
    creator: str | None
    schema: Schema | None
    artifact: ArtifactOut
    lineage: Lineage
    environment: Environment
    unread: Unread | None
    """What could not be read this time: it is shown as it was known last."""
    created_at: datetime | None
    updated_at: datetime | None
    first_seen_at: datetime
    deleted_at: datetime | None
    etag: str | None
    url: str | None
    native: Mapping[str, Any]
    registry_state: str = ""
    """How its registry stands: what is not `ok` may be old or not whole."""


class VersionSummaryOut(msgspec.Struct):
    """One version in a list."""

    ref: str
    version: str
    incarnation: int
    stage: str
    stage_reason: str
    aliases: Sequence[str]
    deployed: bool
    metrics: Mapping[str, float]
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None
    state: str | None = None
    """The backend's word for a version that cannot be used (yet); null for one that is ready."""


class ModelOut(msgspec.Struct):
    """One model with its versions, newest first."""

    ref: str
    registry: str
    team: str
    kind: str
    model: str
    title: str | None
    type: str
    incarnation: int
    description: str | None
    owner: str | None
    license: str | None
    tags: Mapping[str, str]
    aliases: Mapping[str, str]
    versions: Sequence[VersionSummaryOut]
    created_at: datetime | None
    updated_at: datetime | None
    first_seen_at: datetime
    deleted_at: datetime | None
    etag: str | None
    url: str | None
    native: Mapping[str, Any]
    registry_state: str = ""
    """How its registry stands: what is not `ok` may be old or not whole."""


class DifferenceOut(msgspec.Struct):
    """One field on either side."""

    left: Any
    right: Any


class ContractOut(msgspec.Struct):
    """Whether the right version can stand in for the left one, by their schemas.

    `backward`: whoever was built against left can be given right. `forward`: whoever is built against right can be
    given left. `full`: both; `none`: neither; `unknown`: a schema is not known. The lists say what is in the way.
    """

    verdict: str
    backward_breaks: Sequence[Break]
    forward_breaks: Sequence[Break]


class DiffOut(msgspec.Struct):
    """What differs between two versions; equal fields are left out."""

    left: str
    right: str
    differences: Mapping[str, DifferenceOut]
    contract: ContractOut


def version_out(version: Version, stands: "Freshness | None" = None) -> VersionOut:
    """A version as JSON; `stands`: how its registry does."""
    record, model = version.record, version.model_record
    return VersionOut(
        ref=str(version.reference),
        registry=version.registry,
        team=version.team,
        kind=version.kind,
        model=version.model,
        title=model.title,
        type=model.type,
        version=record.version,
        incarnation=version.incarnation,
        stage=version.stage,
        stage_reason=version.stage_reason,
        bypassed=version.bypassed,
        state=record.state,
        native_stage=record.stage,
        approval=record.approval,
        lifecycle=record.lifecycle,
        aliases=version.aliases,
        deployed=version.deployed,
        endpoints=[serving_out(one.endpoint, one.percent) for one in version.serving],
        description=record.description,
        tags=record.tags,
        metrics=record.metrics,
        params=record.params,
        framework=record.framework,
        license=record.license or model.license,
        owner=record.owner or model.owner,
        creator=record.creator,
        schema=version.schema,
        artifact=ArtifactOut(record.artifact_uri, record.artifact_digest),
        lineage=record.lineage,
        environment=record.environment,
        unread=record.unread,
        created_at=record.created_at,
        updated_at=record.updated_at,
        first_seen_at=version.first_seen_at,
        deleted_at=version.deleted_at,
        etag=record.etag,
        url=record.url,
        native=record.native,
        registry_state="" if stands is None else stands.state,
    )


def serving_out(endpoint: EndpointRecord, percent: float) -> ServingOut:
    """An endpoint's share as JSON."""
    unread = endpoint.unread.reason if endpoint.unread else None
    return ServingOut(endpoint.name, endpoint.state, endpoint.live, percent, endpoint.url, unread)


def summary_out(model: str, version: Summary) -> VersionSummaryOut:
    """A version in the list of a model, which is given by its reference, as JSON."""
    return VersionSummaryOut(ref=f"{model}:{encode_part(version.version)}", **version._asdict())


def model_out(model: Model, stands: "Freshness | None" = None) -> ModelOut:
    """A model as JSON; `stands`: how its registry does."""
    record, ref = model.record, str(model.reference)
    return ModelOut(
        ref=ref,
        registry=model.registry,
        team=model.team,
        kind=model.kind,
        model=record.name,
        title=record.title,
        type=record.type,
        incarnation=model.incarnation,
        description=record.description,
        owner=record.owner,
        license=record.license,
        tags=record.tags,
        aliases=record.aliases,
        versions=[summary_out(ref, version) for version in model.versions],
        created_at=record.created_at,
        updated_at=record.updated_at,
        first_seen_at=model.first_seen_at,
        deleted_at=model.deleted_at,
        etag=record.etag,
        url=record.url,
        native=record.native,
        registry_state="" if stands is None else stands.state,
    )


def snippets_out(version: Version, snippets: Sequence[Snippet], note: str) -> SnippetsOut:
    """How to load a version, as JSON."""
    found = [SnippetOut(one.title, one.language, one.code) for one in snippets]
    return SnippetsOut(str(version.reference), found, note)


def card_out(version: Version, card: Mapping[str, CardPart]) -> CardOut:
    """A version's card as JSON."""
    return CardOut(str(version.reference), card)


def contract_out(found: Comparison) -> ContractOut:
    """A comparison of schemas as JSON."""
    return ContractOut(found.verdict, found.backward, found.forward)


def known_out(known: object) -> VersionOut | ModelOut | None:
    """What was known of something deleted, as JSON."""
    match known:
        case Version():
            return version_out(known)
        case Model():
            return model_out(known)
    return None


def diff_out(found: Compared) -> DiffOut:
    """Two versions side by side as JSON."""
    fields = {name: DifferenceOut(pair.left, pair.right) for name, pair in found.differences.items()}
    return DiffOut(
        str(found.left.reference), str(found.right.reference), fields, contract_out(found.contract)
    )


class EntryOut(msgspec.Struct):
    """One entry of the journal. `values` are withheld values that were not erased."""

    seq: int
    time: datetime
    actor: str
    action: str
    ref: str | None
    registry: str | None
    summary: str
    details: Mapping[str, Any]
    leaf_hash: str
    actor_name: str = ""
    """What the actor is called, until that is erased."""


class JournalOut(msgspec.Struct):
    """Entries in order; `next_after` goes on where these end, null when there are no more."""

    entries: Sequence[EntryOut]
    next_after: int | None


def entry_out(line: "Line", names: Mapping[str, str]) -> EntryOut:
    """An entry as JSON; `details` has everything the entry says besides, and the withheld values that still stand.

    `names`: what principals are called, by their ids.
    """
    recorded = line.recorded
    entry = recorded.entry
    details: dict[str, Any] = dict(entry.details)
    for name in ("before", "after", "request", "not_before", "not_after"):
        if getattr(entry, name) is not None:
            details[name] = getattr(entry, name)
    if entry.targets:
        details["targets"] = dict(entry.targets)
    if entry.commitments:
        details["commitments"] = {name: digest.hex() for name, digest in entry.commitments.items()}
    if line.values:
        details["values"] = dict(line.values)
    return EntryOut(
        seq=recorded.seq,
        time=recorded.time,
        actor=entry.actor,
        action=str(entry.action),
        ref=entry.ref,
        registry=entry.registry,
        summary=line.told(names),
        details=details,
        leaf_hash=line.leaf_hash.hex(),
        actor_name=names.get(entry.actor, entry.actor),
    )


def journal_out(lines: "Sequence[Line]", names: Mapping[str, str], *, is_cut: bool) -> JournalOut:
    """A page of the journal as JSON. `is_cut`: there may be more behind it."""
    more = lines[-1].recorded.seq if is_cut else None
    return JournalOut([entry_out(line, names) for line in lines], more)

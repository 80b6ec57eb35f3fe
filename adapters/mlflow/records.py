"""From MLflow's dictionaries to records. A dictionary without name or creation is a `BadRecordError`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from adapters.errors import BadRecordError
from adapters.mlflow.client import PROMPT_TAG
from adapters.mlflow.keys import ModelId, VersionId
from adapters.mlflow.lineage import RunOrigin, figures, logged_model_id
from adapters.naming import reference
from adapters.parsing import parse_json
from adapters.payloads import Raw, at, excerpt, integer, pairs, part, parts, text
from adapters.records import (
    MOST_NAMES,
    NO_LINEAGE,
    Dataset,
    Lineage,
    ModelRecord,
    Parent,
    ParentKind,
    Unread,
    VersionRecord,
    dataset_role,
)
from adapters.writing import digest

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COPIED_FROM = re.compile(r"^models:/+([^/]+)/([0-9]+)$")
SEVERAL = re.compile(r"[^\s,:@]+[:@][^\s,]+(?:\s*,\s*[^\s,:@]+[:@][^\s,]+)+")
"""References with commas between, each with its version or alias."""
PARENT_TAGS: Mapping[str, ParentKind] = {
    "base_model": "base",
    "parent_model": "parent",
    "fine_tuned_from": "fine_tuned",
    "distilled_from": "distilled",
    "quantised_from": "quantised",
    "quantized_from": "quantised",
}
"""Tags of a version that name what it was made from, as a reference."""


class RunFacts(NamedTuple):
    """What a version's run and logged model say of it. `lineage` lacks what the version itself says."""

    metrics: Mapping[str, float] = {}
    params: Mapping[str, str] = {}
    framework: str | None = None
    creator: str | None = None
    artifact_uri: str | None = None
    experiment: str | None = None
    lineage: Lineage = NO_LINEAGE
    native: Mapping[str, Any] = {}


SILENT = RunFacts()


class Translator:
    """Makes records of one server's answers. `url` is the server's address, for links to its pages."""

    def __init__(self, url: str, workspace: str | None) -> None:
        self._pages = f"{url}/#"
        self._workspace = f"?workspace={quote(workspace, safe='')}" if workspace else ""

    def model(self, raw: Any) -> ModelRecord:
        """A registered model or prompt. `native` lacks `latest_versions`: those are records."""
        identity = model_identity(raw)
        _check_tags(raw, identity)
        tags = pairs(raw.get("tags"), "key", "value")
        aliases = pairs(raw.get("aliases"), "alias", "version")
        description = text(raw, "description")
        kind = "prompt" if tags.get(PROMPT_TAG) == "true" else "model"
        return ModelRecord(
            key=identity.key,
            name=identity.name,
            type=kind,
            description=description,
            owner=tags.get("owner"),
            license=tags.get("license"),
            tags=tags,
            aliases=aliases,
            created_at=moment(identity.created, identity.name),
            updated_at=moment(updated(raw), identity.name),
            etag=digest([description, tags, aliases]),
            url=self._page(f"{kind}s", identity.name),
            native={k: v for k, v in raw.items() if k != "latest_versions"},
        )

    def version(self, raw: Raw, identity: VersionId, origin: RunOrigin) -> VersionRecord:
        """A model version, which is `identity`, with what its run and logged model say of it."""
        model = identity.model
        _check_tags(raw, identity)
        tags = pairs(raw.get("tags"), "key", "value")
        description, stage = text(raw, "description"), text(raw, "current_stage")
        source = text(raw, "source") or ""
        said = said_by(origin) if origin.run or origin.logged else SILENT
        is_prompt = tags.get(PROMPT_TAG) == "true"
        page = ("prompts", model.name) if is_prompt else ("models", model.name, "versions", identity.version)
        return VersionRecord(
            key=identity.key,
            model=model.key,
            version=identity.version,
            state=state(raw),
            description=description,
            stage=stage,
            tags=tags,
            metrics=said.metrics,
            params=said.params,
            framework=tags.get("framework") or said.framework,
            license=tags.get("license"),
            owner=tags.get("owner"),
            creator=text(raw, "user_id") or said.creator,
            artifact_uri=None if is_prompt else files(source) or said.artifact_uri or source or None,
            addresses=tuple(addresses(raw, source, origin.run_id, origin.logged)),
            lineage=self._lineage(source, origin.run_id, tags, said),
            created_at=moment(identity.created, model.name),
            updated_at=moment(updated(raw), model.name),
            etag=digest([description, tags, stage]),
            url=self._page(*page),
            native=native(raw, said),
            unread=unread(raw, tags, origin),
        )

    def _lineage(self, source: str, run_id: str | None, tags: Mapping[str, str], said: RunFacts) -> Lineage:
        made_from = tuple(parents(source, tags))
        if run_id is None and not made_from:
            return said.lineage
        run = ("experiments", said.experiment, "runs", run_id) if run_id and said.experiment else ()
        return replace(
            said.lineage, run_id=run_id, run_url=self._page(*run) if run else None, parents=made_from
        )

    def _page(self, *path: str) -> str:
        return f"{self._pages}/{'/'.join(map(_step, path))}{self._workspace}"


@lru_cache(4096)
def _step(step: str) -> str:
    """A step of a path; a model's name is one of every version's."""
    return quote(step, safe="")


def _check_tags(raw: Raw, identity: ModelId | VersionId) -> None:
    """Errors: `BadRecordError` where they are more than a record may have, before anything is made of them."""
    tags = raw.get("tags")
    if isinstance(tags, list) and len(tags) > MOST_NAMES:
        native = identity.key.native_id
        raise BadRecordError(
            f"record {native[:200]!a} cannot be read: it has {len(tags):,} tags, more than {MOST_NAMES:,}",
            native=native,
        )


def model_identity(raw: Any) -> ModelId:
    """Name and creation of a registered model. Errors: `BadRecordError`."""
    name = text(raw, "name")
    if not name or "/" in name or "\ufffd" in name:
        raise BadRecordError(f"a registered model has no usable name: {excerpt(raw)}", native=excerpt(raw))
    return ModelId(stamp(raw, "creation_timestamp", name), name)


def version_identity(raw: Any, model: ModelId) -> VersionId:
    """Number and creation of a model version. Errors: `BadRecordError`."""
    number = at(raw, "version")
    if not isinstance(number, str | int) or isinstance(number, bool) or not str(number).isdecimal():
        raise BadRecordError(f"a version of {model.name} has no number: {excerpt(raw)}", native=excerpt(raw))
    return VersionId(str(number), stamp(raw, "creation_timestamp", f"{model.name}:{number}"), model)


def files(source: str) -> str | None:
    """Where a version's files are by its source; None where that only names a logged model or another version."""
    return None if source.startswith("models:/") else source or None


def state(raw: Raw) -> str | None:
    """MLflow's word for a version that is not ready, with the reason it gives."""
    status = text(raw, "status")
    if status in (None, "READY"):
        return None
    why = text(raw, "status_message")
    return f"{status}: {why}" if why else status


def updated(raw: Any) -> int:
    """When it last changed as far as MLflow counts, in milliseconds; 0 where it does not say."""
    return integer(at(raw, "last_updated_timestamp")) or 0


def stamp(raw: Raw, field: str, name: str) -> int:
    """A time in milliseconds that must be there. Errors: `BadRecordError`."""
    value = integer(raw.get(field))
    if value is None or not 0 <= value < 10**14:
        raise BadRecordError(f"{name} has no usable {field}: {excerpt(raw)}", native=name)
    return value


def moment(milliseconds: int, name: str) -> datetime | None:
    """A time. Errors: `BadRecordError` for one that no calendar has."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds) if milliseconds else None
    except OverflowError:
        raise BadRecordError(f"{name} has a time out of range: {milliseconds}", native=name) from None


def run_tags(run: Raw) -> dict[str, str]:
    """The tags of a run."""
    return pairs(at(run, "data", "tags"), "key", "value")


def datasets(run: Raw) -> Iterator[Dataset]:
    """The inputs of a run."""
    for entry in parts(run, "inputs", "dataset_inputs"):
        dataset = part(entry, "dataset")
        name = text(dataset, "name")
        if name:
            context = pairs(entry.get("tags"), "key", "value").get("mlflow.data.context")
            where = location(text(dataset, "source") or "")
            yield Dataset(name, text(dataset, "digest"), where, dataset_role(context))


def location(source: str) -> str | None:
    """Where a dataset lies, from the JSON of its source; the field depends on the kind of source."""
    try:
        described = parse_json(source, "the source of a data set")
    except BadRecordError:
        return None
    return next(
        (found for key in ("uri", "url", "path", "table_name") if (found := text(described, key))), None
    )


def parents(source: str, tags: Mapping[str, str]) -> Iterator[Parent]:
    """What a version was made from: the version it is a copy of, and the tags that name a parent."""
    if source.startswith("models:/") and (copied := COPIED_FROM.match(source)):
        yield Parent(reference(copied.group(1), copied.group(2)), "copy")
    for tag, kind in PARENT_TAGS.items():
        if said := tags.get(tag):
            yield from (Parent(name, kind) for name in names_in(said))


def names_in(said: str) -> list[str]:
    """The models that a tag names: one, a JSON list of them, or several references with commas between."""
    said = said.strip()
    if said.startswith("["):
        with suppress(BadRecordError):
            listed = parse_json(said, "a list of models")
            if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
                return [name.strip() for name in listed if name.strip()]
    if SEVERAL.fullmatch(said):
        return [name.strip() for name in said.split(",")]
    return [said] if said else []


def addresses(raw: Raw, source: str, run_id: str | None, logged: Raw) -> Iterator[str]:
    """What MLflow's users call a version without its registry: its logged model, and the files of its run."""
    if model_id := logged_model_id(raw):
        yield f"models:/{model_id}"
    if not run_id:
        return
    path, _, inside = source.rpartition(f"/{run_id}/artifacts/")
    if name := inside.strip("/") if path else text(logged, "info", "name"):
        yield f"runs:/{run_id}/{name}"


def flavour(tags: Mapping[str, str], logged_model: str | None) -> str | None:
    """The framework of a logged model, from the history a run keeps, where only one comes into question."""
    try:
        history = parse_json(tags.get("mlflow.log-model.history", "[]"), "the history of a run")
    except BadRecordError:
        return None
    entries = [*parts(history)]
    chosen = [
        entry for entry in entries if logged_model and entry.get("model_uuid") == logged_model
    ] or entries
    names = {name for entry in chosen for name in part(entry, "flavors") if name != "python_function"}
    return names.pop() if len(names) == 1 else None


def said_by(origin: RunOrigin) -> RunFacts:
    """What a run and a logged model say of a version; either may be empty."""
    run, logged = origin.run, origin.logged
    tags, info = run_tags(run), part(logged, "info")
    made_by = {**pairs(info.get("tags"), "key", "value"), **tags}
    metrics, left_out = figures(origin)
    return RunFacts(
        metrics=metrics,
        params={
            **pairs(at(run, "data", "params"), "key", "value"),
            **pairs(at(logged, "data", "params"), "key", "value"),
        },
        framework=flavour(tags, text(info, "model_id")),
        creator=text(made_by, "mlflow.user"),
        artifact_uri=text(info, "artifact_uri"),
        experiment=text(run, "info", "experiment_id"),
        lineage=Lineage(
            commit=text(made_by, "mlflow.source.git.commit"),
            repository=text(made_by, "mlflow.source.git.repoURL"),
            pipeline=text(made_by, "mlflow.source.name"),
            datasets=tuple(datasets(run)),
        ),
        native=payload(origin, tags, left_out),
    )


OF_RUN = (
    "metrics", "params", "lineage.run_url", "lineage.commit", "lineage.repository", "lineage.pipeline",
    "lineage.datasets", "native.run", "native.metrics",
)  # fmt: skip
"""What a version's run says of it."""
OF_MODEL = ("addresses", "metrics", "params", "artifact_uri", "native.logged_model", "native.metrics")
"""What its logged model says."""


def unread(raw: Raw, tags: Mapping[str, str], origin: RunOrigin) -> Unread | None:
    """What is unknown of a version because its run or logged model could not be read."""
    why = origin.unread_run or origin.unread_model
    if why is None:
        return None
    fields = [*(OF_RUN if origin.unread_run else ()), *(OF_MODEL if origin.unread_model else ())]
    if not text(raw, "run_id"):  # the logged model names the run
        fields += ["lineage.run_id", *OF_RUN]
    fields += [] if tags.get("framework") else ["framework"]
    fields += [] if text(raw, "user_id") else ["creator"]
    return Unread(tuple(sorted(set(fields))), why)


def payload(origin: RunOrigin, tags: Mapping[str, str], left_out: Sequence[Any]) -> Raw:
    """A run and a logged model as they came, without what the record has as fields.

    The tag `mlflow.modelVersions` of a logged model only names its versions.
    """
    found: Raw = {}
    if run := origin.run:
        found["run"] = {"info": run.get("info"), "tags": tags, "inputs": run.get("inputs")}
    if origin.logged:
        info = part(origin.logged, "info")
        kept = pairs(info.get("tags"), "key", "value")
        kept.pop("mlflow.modelVersions", None)
        found["logged_model"] = {**info, "tags": kept}
    if left_out:
        found["metrics"] = left_out
    return found


def native(raw: Raw, said: RunFacts) -> Mapping[str, Any]:
    """What MLflow said of a version. Its `aliases` are those of its model; a listing leaves them out."""
    alone = {k: v for k, v in raw.items() if k != "aliases"} if "aliases" in raw else raw
    return {**alone, **said.native} if said.native else alone

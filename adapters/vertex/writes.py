"""Changing a Vertex AI registry: aliases, labels at the right level, uploads and deletes.

The service only ever shows a version's labels merged with its model's, and a write replaces all labels of one level.
What belongs to that level is taken from what can be seen: labels that every version shows alike are the model's, the
others the version's own. Where that guess was wrong, a label is missing afterwards from a version that showed it
before; then it is written again, so nothing is ever lost.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.contract import Registration
from adapters.errors import InvalidError, NotFoundError
from adapters.records import Key
from adapters.vertex.client import VertexClient
from adapters.vertex.keys import ProjectLocation, split_key, version_key, version_number
from adapters.vertex.reads import Reader
from adapters.vertex.records import TOKEN_LABEL, aliases_of, alike
from adapters.writing import kept_token, with_changes

Shown = dict[str, dict[str, str]]
"""The labels each version shows, by version."""
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}|[0-9]{1,20}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{1,63}")
_PIPELINE = "/pipelineJobs/"


class Writer:
    """The calls that change something. Errors: any `AdapterError`."""

    def __init__(self, client: VertexClient, place: ProjectLocation, reader: Reader) -> None:
        self._client, self._place, self._reader = client, place, reader

    def point(self, model: str, versions: Sequence[Any], alias: str, version: str | None) -> None:
        """Point an alias at one of these versions of a model, or take it away. The service takes no etag for it."""
        if not _ALIAS.fullmatch(alias):
            raise InvalidError(
                f"alias {alias[:130]!r}: Vertex AI wants [a-z][a-zA-Z0-9-]*[a-z0-9], at most 128 long"
            )
        if version is None and alias == "default":
            raise InvalidError("alias default cannot be taken away: point it at another version")
        if version is not None and version not in {each.version_id for each in versions}:
            raise InvalidError(f"{model} has no version {version[:40]}: an alias needs one that exists")
        holder = aliases_of(versions).get(alias, "")
        target, change = (holder, f"-{alias}") if version is None else (version, alias)
        name = self._place.model(model, target)
        self._client.write("Model", "merge_version_aliases", name=name, version_aliases=[change])

    def label(self, key: Key, changes: Mapping[str, str | None], etag: str) -> None:
        """Write the labels of one level. `etag` is the service's own. Errors: `ConflictError` where it is old."""
        resource, version = split_key(key)
        name = self._place.model(resource, version)
        shown = shown_by(self._reader.versions(resource))
        before = {version: shown[version]} if version in shown else shown

        def write(labels: dict[str, str]) -> Shown:
            nonlocal etag
            model = self._client.sdk.v1.Model(name=name, labels=labels, etag=etag)
            mask = self._client.sdk.field_mask.FieldMask(paths=["labels"])
            answer = self._client.write("Model", "update_model", model=model, update_mask=mask)
            etag = answer.etag
            return shown_by([answer] if version else self._reader.versions(resource))

        replace_labels(own_labels(shown, version), changes, before, write)

    def describe(self, key: Key, text: str | None, etag: str) -> None:
        """Write a description of one level. `etag` is the service's own. Errors: `ConflictError` where it is old."""
        resource, version = split_key(key)
        field = "version_description" if version else "description"
        model = self._client.sdk.v1.Model(
            name=self._place.model(resource, version), etag=etag, **{field: text or ""}
        )
        mask = self._client.sdk.field_mask.FieldMask(paths=[field])
        self._client.write("Model", "update_model", model=model, update_mask=mask)

    def register(self, registration: Registration) -> Any:
        """Upload a version, unless one has this token already, and answer its message.

        The token is kept as a label: a repetition finds the version once it is uploaded.
        """
        if not _MODEL_ID.fullmatch(registration.model):
            raise InvalidError(
                f"model {registration.model[:80]!r}: Vertex AI wants an id of a-z, 0-9, _ and -, at most 63"
            )
        labels = _labels(registration)
        known = self._default_version(registration.model)
        token = kept_token(registration.token, 32) if registration.token else ""
        made = self._registered(registration.model, token) if known is not None and token else None
        if made is None:
            made = self._upload(registration, known, token)
        missing = {name: value for name, value in labels.items() if name not in made.labels}
        if not missing:
            return made
        self.label(version_key(made), missing, made.etag)
        return self._reader.version(registration.model, made.version_id)

    def split(self, endpoint: Any, split: Mapping[str, int]) -> None:
        """Share the traffic of an endpoint among its deployments. Errors: `ConflictError` where it has changed."""
        changed = self._client.sdk.v1.Endpoint(
            name=endpoint.name,
            traffic_split={name: part for name, part in split.items() if part},
            etag=endpoint.etag,
        )
        mask = self._client.sdk.field_mask.FieldMask(paths=["traffic_split"])
        self._client.write("Endpoint", "update_endpoint", endpoint=changed, update_mask=mask)

    def remove(self, key: Key) -> None:
        """Delete a version, or a model with all of its versions."""
        resource, version = split_key(key)
        method = "delete_model_version" if version else "delete_model"
        self._client.finish(method, name=self._place.model(resource, version))

    def _default_version(self, model_id: str) -> Any:
        try:
            return self._client.read("Model", "get_model", name=self._place.model(model_id))
        except NotFoundError:
            return None

    def _registered(self, model_id: str, token: str) -> Any:
        """The version that was uploaded with this token, or None. Labels of the first version may be the
        model's, which every later version shows: the lowest number is the one.
        """
        rows = self._client.read_all(
            "Model",
            "list_model_versions",
            "models",
            name=self._place.model(model_id),
            filter=f"labels.{TOKEN_LABEL}={token}",
        )
        return min(rows, key=version_number, default=None)

    def _upload(self, registration: Registration, known: Any, token: str) -> Any:
        """Create the version. The labels of a new model would show on all its versions, so only the token
        is among them; the others are written to the version afterwards.
        """
        labels = {TOKEN_LABEL: token} if token else {}
        run, container = registration.run_id or "", self._client.config.serving_container
        model = self._client.sdk.v1.Model(
            display_name=known.display_name if known is not None else registration.model,
            artifact_uri=registration.source,
            version_description=registration.description or "",
            labels=labels if known is None else labels | _labels(registration),
            pipeline_job=run if _PIPELINE in run else "",
        )
        if container:
            model.container_spec.image_uri = container
        elif known is not None and known.HasField("container_spec"):
            model.container_spec = known.container_spec
        target: dict[str, str] = {"model_id": registration.model}
        if known is not None:
            target = {"parent_model": self._place.model(registration.model)}
        done = self._client.finish("upload_model", parent=self._place.parent, model=model, **target)
        return self._reader.version(registration.model, done.model_version_id)


def _labels(registration: Registration) -> dict[str, str]:
    """The labels a registration asks for. Errors: `InvalidError` for a run that Vertex AI has no place for."""
    run = registration.run_id or ""
    if not run or _PIPELINE in run:
        return dict(registration.tags)
    if not _LABEL_VALUE.fullmatch(run):
        raise InvalidError(
            f"run {run[:80]!r}: Vertex AI stores a pipeline job, or a label of a-z, 0-9, _ and -"
        )
    return {**registration.tags, "run_id": run}


def shown_by(versions: Sequence[Any]) -> Shown:
    """What each version shows."""
    return {version.version_id: dict(version.labels) for version in versions}


def own_labels(shown: Shown, version: str = "") -> dict[str, str]:
    """The labels thought to belong to one version itself, or (without one) to the model.

    Where there is one version only, nothing tells the levels apart: its labels count as both levels' own.
    """
    shared = alike(list(shown.values()))
    if not version:
        return shared
    inherited = shared if len(shown) > 1 else {}
    return {name: value for name, value in shown.get(version, {}).items() if name not in inherited}


def replace_labels(
    own: Mapping[str, str],
    changes: Mapping[str, str | None],
    before: Shown,
    write: Callable[[dict[str, str]], Shown],
) -> None:
    """Write one level, whose labels are thought to be `own`. `write` answers what the versions show afterwards."""
    wanted = with_changes(own, changes)
    after = write(wanted)
    lost = {
        name: value
        for version, labels in before.items()
        for name, value in labels.items()
        if name not in changes and version in after and after[version].get(name) != value
    }
    if lost:
        write({**wanted, **lost})

"""What the files of a project say of an artifact: GTO's `artifacts.yaml`, DVC's `dvc.yaml`, and of what it was made,
`dvc.lock`.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from posixpath import join, normpath
from typing import Any

from adapters.errors import BadRecordError
from adapters.parsing import parse_json, parse_yaml
from adapters.payloads import Raw, at, part, parts, text
from adapters.records import Dataset, Unread

INDEX, DVC, LOCK = "artifacts.yaml", "dvc.yaml", "dvc.lock"
CODE = (".py", ".ipynb", ".sh", ".r", ".jl", ".c", ".cpp", ".rs", ".scala", ".java")
"""What a dependency that is no data ends with."""
MOST_PARAMS = 1_000
FIELDS = (
    "description", "license", "framework", "tags", "metrics", "params", "artifact_digest", "artifact_uri",
    "lineage.datasets", "lineage.parents", "type",
)  # fmt: skip
"""What files say of a version or a model."""


@dataclass(frozen=True, slots=True)
class Described:
    """An artifact as files describe it. Empty: no file does."""

    type: str | None = None
    path: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    digest: str | None = None
    datasets: tuple[Dataset, ...] = ()
    bases: tuple[str, ...] = ()
    """The artifacts whose files it was made of."""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    native: Mapping[str, Any] = field(default_factory=dict)
    unread: Unread | None = None
    is_indexed: bool = False
    """Whether it is GTO's own file that names it."""


def split(artifact: str) -> tuple[str, str]:
    """The folder and the name of an artifact: `DIR:NAME` is described in that folder."""
    folder, _, name = artifact.rpartition(":")
    return normpath(folder) if folder else "", name


def artifacts_of(file: Any, path: str) -> dict[str, Raw]:
    """The artifacts that a parsed file describes, by name: `artifacts.yaml`, or `dvc.yaml` in any folder."""
    folder, _, name = path.rpartition("/")
    rows = part(file) if name == "artifacts.yaml" else part(file, "artifacts")
    return {
        f"{folder}:{each}" if folder else each: row for each, row in rows.items() if isinstance(row, dict)
    }


def describe(
    folder: str, name: str, read: Callable[[str], bytes | None], parsed: Callable[[str], Any]
) -> Described:
    """An artifact of a folder. `read` gives a file of it, `parsed` what one of YAML says; None: there is none.

    Errors: those of `read` and `parsed`.
    """
    files = (DVC,) if folder else (DVC, INDEX)
    rows = {named: row for path in files for named, row in artifacts_of(parsed(path), path).items()}
    row = rows.get(name)
    if row is None:
        return Described()
    others = {
        text(each, "path"): named
        for named, each in rows.items()
        if named != name and (text(each, "type") or "model") == "model"
    }
    dvc, lock = parsed(DVC), _lock(row, parsed)
    stage = _stage(lock, text(row, "path"))[0] or ""
    figures = {path: _metrics(read(path), path) for path in _named(at(dvc, "stages", stage, "metrics"))}
    return _described(row, folder, lock, figures, others)


def _lock(row: Raw, parsed: Callable[[str], Any]) -> Any:
    """What DVC noted of the stages; of a file that no stage makes, what `dvc add` noted."""
    path = text(row, "path")
    added = parsed(f"{path}.dvc") if path else None
    if not isinstance(added, dict):
        return parsed(LOCK)
    outs = [{**out, "path": path} for out in parts(added, "outs")][:1]
    return {"stages": {"": {"outs": outs}}}


def _described(
    row: Raw, folder: str, lock: Any, figures: Mapping[str, Any], others: Mapping[str | None, str]
) -> Described:
    given = text(row, "path")
    meta = {**part(row, "custom"), **part(row, "meta")}
    flat = dict(_flat(meta))
    labels = row.get("labels")
    stage = _stage(lock, given)[1]
    outs = [each for each in parts(stage, "outs") if text(each, "path") == given]
    return Described(
        type=text(row, "type"),
        path=join(folder, given) if given else None,
        description=text(row, "description") or text(row, "desc"),
        tags={**{each: "" for each in labels if isinstance(each, str)}, **flat}
        if isinstance(labels, list)
        else flat,
        meta=flat,
        digest=next((f"md5:{md5}" for each in outs if (md5 := text(each, "md5"))), None),
        datasets=tuple(_data(stage, folder, others)),
        bases=tuple(
            f"{folder}:{others[path]}" if folder else others[path]
            for each in parts(stage, "deps")
            if (path := text(each, "path")) in others
        ),
        params=dict(pair for file in part(stage, "params").values() for pair in _flat(file)),
        metrics={
            name: float(value) for file in figures.values() for name, value in _flat(file, numbers=True)
        },
        native={"described": _storable(row), **({"stage": _storable(stage)} if stage else {})},
    )


def _metrics(content: bytes | None, path: str) -> Any:
    """A file of metrics: JSON, or YAML; None where it cannot be read."""
    try:
        parse = parse_json if path.endswith(".json") else parse_yaml
        return None if content is None else parse(content, path)
    except BadRecordError:
        return None


def _named(rows: Any) -> list[str]:
    """Files as `dvc.yaml` lists them: by name, or as the only key of an object."""
    listed = rows if isinstance(rows, list) else []
    return [next(iter(row), "") if isinstance(row, dict) else str(row) for row in listed]


def _stage(lock: Any, path: str | None) -> tuple[str | None, Raw]:
    """The stage that makes a file, or the folder that it is in."""
    for name, stage in part(lock, "stages").items() if path else ():
        for out in parts(stage, "outs"):
            made = text(out, "path") or ""
            if made and (path == made or str(path).startswith(f"{made}/")):
                return name, part(stage)
    return None, {}


def _data(stage: Raw, folder: str, others: Mapping[str | None, str]) -> Iterator[Dataset]:
    for row in parts(stage, "deps"):
        path, md5 = text(row, "path"), text(row, "md5")
        if path and path not in others and not path.lower().endswith(CODE):
            yield Dataset(normpath(join(folder, path)), digest=f"md5:{md5}" if md5 else None)


def _flat(value: Any, prefix: str = "", *, numbers: bool = False) -> Iterator[tuple[str, Any]]:
    """Names with dots, and texts (or only the numbers that are finite)."""
    for name, each in list(value.items())[:MOST_PARAMS] if isinstance(value, dict) else ():
        if isinstance(each, dict):
            yield from _flat(each, f"{prefix}{name}.", numbers=numbers)
        elif numbers:
            if isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each):
                yield f"{prefix}{name}", each
        elif each is not None:
            yield f"{prefix}{name}", each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)


def _storable(raw: Any) -> Any:
    """The same as plain JSON: what is no number there is text."""
    return json.loads(json.dumps(raw), parse_constant=str)

"""The searchable fields, one row each: the language, the index, facets, suggestions and the reference are made of them.

A new field is a new row. An index that was written with other rows is built anew by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from federation.references import is_address
from federation.search import told as tellings

if TYPE_CHECKING:
    from adapters import ModelRecord, VersionRecord


@dataclass(frozen=True, slots=True)
class Living:
    """What fields are read from: a living version, or a model that has none; then `empty`, and `version` says nothing.

    `stage` is the normalised one, `needs` are the references and addresses of what the version depends on, as text,
    `bypassed` the policies that would have refused its stage; `changed_by` and `approved_by` principals, by their ids.
    """

    registry: str
    team: str
    model: "ModelRecord"
    version: "VersionRecord"
    empty: bool = False
    stage: str = "none"
    aliases: Sequence[str] = ()
    needs: Sequence[str] = ()
    bypassed: Sequence[str] = ()
    changed_by: Sequence[str] = ()
    approved_by: Sequence[str] = ()
    told: tellings.Told = field(init=False)

    def __post_init__(self) -> None:
        version = self.version
        object.__setattr__(self, "told", tellings.told(version.tags, version.params, self.model.tags))

    @property
    def parameters(self) -> Mapping[str, float]:
        """How many parameters it has, under the empty name; nothing where that is not known."""
        count = tellings.count_of(self.told.get("parameters", ()), self.version.metrics)
        return {} if count is None else {"": count}

    @property
    def released(self) -> datetime | None:
        """When it came out, by what is told; None where nothing is."""
        return tellings.moment(self.told.get("released", ()))


Texts = Callable[[Living], Iterable[str | None]]
Entries = Callable[[Living], Mapping[str, str] | Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchField:
    """One qualifier of the search language.

    `texts` gives what a version is found by, every spelling of it; `entries` instead, where the field is asked for with
    a name after a dot (`named`), or under the empty name. `match` says what is compared: texts and numbers are held for
    each version, times are those of the record, versions have an order of their own, of a choice one of `choices`
    holds, of a person the ids of principals, who are asked for by name. `facet`: values are counted and listed, in a
    column of their own. `bare`: found by bare words too. `of_model`: the same for all versions of a model.
    `identifies`: a long hexadecimal word may be the beginning of it.
    """

    name: str
    meaning: str
    match: Literal["text", "number", "time", "version", "choice", "person"] = "text"
    texts: Texts = lambda _: ()
    entries: Entries | None = None
    named: bool = True
    identifies: bool = False
    choices: tuple[str, ...] = ()
    facet: bool = False
    bare: bool = False
    of_model: bool = False

    @property
    def keyed(self) -> bool:
        """Whether a name stands after a dot: `tag.NAME:`."""
        return self.entries is not None and self.named

    @property
    def written(self) -> str:
        """How it is written in a query."""
        return f"{self.name}.NAME:" if self.keyed else f"{self.name}:"


MOST_COLUMNS = 200
"""So many columns of a version are held."""


@cache
def _empty(kind: Any) -> Any:
    return kind()


def _says(part: Any) -> bool:
    """Whether a part of a record is other than it is where nothing is known."""
    kind: Any = type(part)
    return bool(part != _empty(kind))


HAS: Mapping[str, Callable[[Living], object]] = {
    "schema": lambda of: of.version.schema,
    "metrics": lambda of: of.version.metrics,
    "params": lambda of: of.version.params,
    "tags": lambda of: of.version.tags or of.model.tags,
    "aliases": lambda of: of.aliases,
    "lineage": lambda of: _says(of.version.lineage),
    "description": lambda of: not of.empty and (of.version.description or of.model.description),
    "dependencies": lambda of: of.needs,
    "environment": lambda of: _says(of.version.environment),
    "state": lambda of: of.version.state,
    "versions": lambda of: not of.empty,
    "bypass": lambda of: of.bypassed,
}
"""What `has:` asks for."""


def _names(model: str) -> Iterable[str]:
    return (model, model.rpartition("/")[2])


def _libraries(of: Living) -> Iterator[str]:
    for name, version in of.version.environment.libraries.items():
        yield name
        yield f"{name}@{version}"


def _images(of: Living) -> Iterator[str]:
    for image in of.version.environment.images:
        yield from _image_names(image.address)
        if image.digest:
            yield from (image.digest, image.digest.rpartition(":")[2])


@lru_cache(4_096)
def _image_names(image: str) -> tuple[str, ...]:
    """Its address, without the tag or digest too, and the last part of its name."""
    plain = image.partition("@")[0]
    head, _, last = plain.rpartition("/")
    name = last.partition(":")[0]
    return (image, plain, f"{head}/{name}" if head else name, name)


def _needed(of: Living) -> Iterator[str]:
    for reference in of.needs:
        yield from (reference,) if is_address(reference) else _shortened(reference)


@lru_cache(16_384)
def _shortened(reference: str) -> tuple[str, ...]:
    """A reference with and without its registry and its version."""
    forms = (reference, reference.partition("/")[2] or reference)
    bare = (form.partition(":")[0].partition("@")[0] for form in forms)
    return tuple(dict.fromkeys([*forms, *bare]))


def _framework(of: Living) -> Iterable[str | None]:
    return (of.version.framework,) if of.version.framework else of.told.get("framework", ())


def _owner(of: Living) -> Iterable[str | None]:
    said = of.version.owner or of.version.creator or of.model.owner
    return (said,) if said else of.told.get("publisher", ())


def _license(of: Living) -> Iterable[str | None]:
    said = of.version.license or of.model.license
    return (said,) if said else of.told.get("license", ())


def _told(role: tellings.Role) -> Texts:
    return lambda of: tellings.spellings(of.told.get(role, ()))


def _columns(of: Living) -> Iterable[str]:
    schema = of.version.schema
    columns = () if schema is None else (*schema.inputs, *schema.outputs)
    return [one.name for one in columns if one.name][:MOST_COLUMNS]


def _datasets(of: Living) -> Iterator[str | None]:
    yield from _told("dataset")(of)
    for one in of.version.lineage.datasets:
        yield from (one.name, one.digest, one.uri)


def _parents(of: Living) -> Iterator[str | None]:
    for name in of.told.get("parent", ()):
        yield from _names(name)
    for one in of.version.lineage.parents:
        yield from _shortened(one.reference)


def _digests(of: Living) -> Iterator[str | None]:
    for digest in (of.version.artifact_digest, *(one.digest for one in of.version.lineage.datasets)):
        if digest:
            yield digest.rpartition(":")[2]


def _state(of: Living) -> str:
    """The backend's word without its reason."""
    return (of.version.state or "").partition(":")[0].strip()


FIELDS: tuple[SearchField, ...] = (
    SearchField(name="registry", meaning="the registry's name", texts=lambda of: (of.registry,),
                facet=True, bare=True, of_model=True),
    SearchField(name="team", meaning="the team that owns the registry", texts=lambda of: (of.team,),
                facet=True, bare=True, of_model=True),
    SearchField(name="model", meaning="the model's name, or its last part", texts=lambda of: _names(of.model.name),
                of_model=True),
    SearchField(name="stage", meaning="the normalised stage: none, staging, production or archived",
                texts=lambda of: (of.stage,), facet=True, bare=True),
    SearchField(name="alias", meaning="an alias that names the version", texts=lambda of: of.aliases, bare=True),
    SearchField(name="framework", meaning="what the version was made with, such as xgboost",
                texts=_framework, facet=True, bare=True),
    SearchField(name="owner", meaning="whoever owns the version, or else made it, or else owns the model",
                texts=_owner, facet=True, bare=True),
    SearchField(name="changed_by", meaning="whoever changed the version, its aliases or its model through Waypost: a "
                "name", match="person", texts=lambda of: of.changed_by),
    SearchField(name="approved_by", meaning="whoever approved a promotion of the version: a name", match="person",
                texts=lambda of: of.approved_by),
    SearchField(name="license", meaning="the license of the version, or else of the model",
                texts=_license, facet=True, bare=True),
    SearchField(name="type", meaning="the kind of model: model, prompt, agent …", texts=lambda of: (of.model.type,),
                facet=True, bare=True),
    SearchField(name="tag", meaning="a tag of the version or of its model, as text or as a number",
                entries=lambda of: {**of.model.tags, **of.version.tags}, facet=True, bare=True),
    SearchField(name="metric", meaning="a metric, with > >= < <= or a..b", match="number",
                entries=lambda of: of.version.metrics),
    SearchField(name="param", meaning="a parameter of the training, as text or as a number",
                entries=lambda of: of.version.params),
    SearchField(name="library", meaning="a package it needs: NAME or NAME@VERSION", texts=_libraries),
    SearchField(name="image", meaning="a container image it is served with: its address, digest or name",
                texts=_images, identifies=True),
    SearchField(name="task", meaning="what it does, by its tags (task, pipeline_tag …), such as text-to-speech",
                texts=_told("task")),
    SearchField(name="language", meaning="a language, by its tags: a code or a name", texts=_told("language")),
    SearchField(name="parameters", meaning="how many parameters it has: 7b, <350M, 1b..3b", match="number",
                entries=lambda of: of.parameters, named=False),
    SearchField(name="column", meaning="a column of its inputs or outputs, such as amount", texts=_columns),
    SearchField(name="dataset", meaning="a data set it was made with: its name, digest or address", texts=_datasets),
    SearchField(name="parent", meaning="what it was made from: a base model's name or reference", texts=_parents),
    SearchField(name="commit", meaning="the commit of its code, or the first seven characters and more",
                texts=lambda of: (of.version.lineage.commit,), identifies=True),
    SearchField(name="digest", meaning="the digest of its artifact or data, with or without sha256:, or seven "
                "characters and more", texts=_digests, identifies=True),
    SearchField(name="run", meaning="the run that made it", texts=lambda of: (of.version.lineage.run_id,),
                identifies=True),
    SearchField(name="version", meaning="the version, with > >= < <= or a..b by SemVer or else the version's own order",
                match="version", texts=lambda of: () if of.empty else (of.version.version,)),
    SearchField(name="state", meaning="the backend's word for a version that cannot be used (yet)",
                texts=lambda of: (_state(of),)),
    SearchField(name="created", meaning="when the version was made: a year, a month, a day or a moment", match="time"),
    SearchField(name="updated", meaning="when it was last changed", match="time"),
    SearchField(name="released", meaning="when it came out, by its tags, or else when it was made", match="time"),
    SearchField(name="depends_on", meaning="what it needs: a reference, with or without registry and version, or an "
                "address", texts=_needed),
    SearchField(name="has", meaning=f"what is known of it: {', '.join(HAS)}", match="choice", choices=tuple(HAS),
                texts=lambda of: [name for name, holds in HAS.items() if holds(of)]),
    SearchField(name="bypassed", meaning="the policy that would have refused how it came to its stage",
                texts=lambda of: of.bypassed),
    SearchField(name="is", meaning="stale (its registry could not be read lately), production, staging or archived",
                match="choice", choices=("stale", "production", "staging", "archived")),
)  # fmt: skip
BY_NAME: Mapping[str, SearchField] = {field.name: field for field in FIELDS}
FACETS: tuple[str, ...] = tuple(field.name for field in FIELDS if field.facet and not field.keyed)
KEYED_FACETS: tuple[str, ...] = tuple(f"{field.name}.KEY" for field in FIELDS if field.facet and field.keyed)


def facet_names() -> str:
    """Everything that can be counted, as a sentence lists it: `registry, team, …, tag.KEY`."""
    return ", ".join((*FACETS, *KEYED_FACETS))

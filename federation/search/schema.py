"""The fields of the index and how a document fills them.

Three nested text fields carry the tiers: `name` (words of the name) inside `near` (and of everything short:
tags, team,
stage, …) inside `all` (and of the description). `facts` holds exact values as `field⏵value`. `lead` and
`delta` make
the number of models exact without listing them: see `MODEL_SUM`.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

import msgspec
import tantivy

from federation.references import Reference, encode_part
from federation.search import ranking
from federation.search.document import Document
from federation.search.words import chunks, fold, name_order, name_words, text_words, whole_names

SCHEMA_VERSION = 4
SEPARATOR = "\x1f"
FACETS = {
    "registry": "registry_name", "team": "team", "stage": "stage", "framework": "framework", "owner": "owner",
    "license": "license", "type": "type",
}  # fmt: skip
OF_REGISTRY = ("registry", "team")
"""Facets that every document of a registry has the same value of: counted by the registry's id."""
MODEL_SUM = "delta"
"""Each version has a random number of 31 bits; the first of a model has its own less the sum of them all, and `LEAD`.
So the sum over a result that holds all or none of each model is `LEAD` times the number of models, and over any other
it is no multiple of it (but for a chance of 2⁻³⁴)."""
LEAD = 1 << 34
HOLDS_REGISTRY = "registry "
"""In `meta`, before the id of each registry that the index holds documents of; after it, as JSON, its name and team."""
MAX_VALUE = 400
MAX_NUMBER = 1e300


@cache
def schema() -> tantivy.Schema:
    """The schema, built once."""
    builder = tantivy.SchemaBuilder()
    for name in ("name", "order", "near", "all"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("phrase", tokenizer_name="whitespace", index_option="position")
    for name in ("whole", "facts", "meta", "spelled"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in (*FACETS.values(), "sort_name"):
        is_fast = name not in (FACETS[facet] for facet in OF_REGISTRY)
        builder.add_text_field(name, fast=is_fast, tokenizer_name="raw", index_option="basic")
    builder.add_json_field("data", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("registry", fast=True, indexed=True)
    builder.add_unsigned_field("model", fast=True, indexed=True)
    for name in ("rank", "browse", "tie", "siblings"):
        builder.add_unsigned_field(name, fast=True)
    for name in ("delta", "created", "updated"):
        builder.add_integer_field(name, fast=True)
    builder.add_bytes_field("stored", stored=True)
    return builder.build()


def encode(documents: Iterable[Document]) -> Iterator[tantivy.Document]:
    """Engine documents of models; all documents of one model must follow each other."""
    for _, group in groupby(documents, key=lambda document: document.model_id):
        versions = list(group)
        references = [reference_of(document) for document in versions]
        ties = [ranking.tie(reference) for reference in references]
        numbers = [_number(tie) for tie in ties]
        for document, reference, tie, number in zip(versions, references, ties, numbers, strict=True):
            engine = _encode_one(document, reference, tie)
            if document is versions[0]:
                _add_lead(engine, versions)
                number += LEAD - sum(numbers)
            engine.add_integer(MODEL_SUM, number)
            engine.add_unsigned("siblings", len(versions))
            yield engine


def _add_lead(engine: tantivy.Document, versions: Sequence[Document]) -> None:
    """What is held once for each model: what suggestions complete, and which registry it is in."""
    engine.add_text("meta", _held(versions[0].registry_id, versions[0].registry, versions[0].team))
    for form in spellings(versions[0].model):
        engine.add_text("spelled", form)
    named = {("tag", key) for document in versions for key in document.tags}
    named |= {("param", key) for document in versions for key in document.params}
    named |= {("metric", key) for document in versions for key in document.metrics}
    for kind, key in sorted(named):
        engine.add_text("facts", fact(f"name of {kind}", key))


@lru_cache(4_096)
def _held(registry_id: int, registry: str, team: str) -> str:
    return f"{HOLDS_REGISTRY}{registry_id} {json.dumps([clean(registry), clean(team)])}"


def registries(searcher: tantivy.Searcher) -> dict[int, tuple[str, str]]:
    """Name and team of each registry that the index holds documents of. What a registry was called before may still
    stand among the terms: then what a living document says holds."""
    found: dict[int, list[str]] = {}
    for term, _ in searcher.terms_with_prefix("meta", HOLDS_REGISTRY):
        found.setdefault(_read_held(term)[0], []).append(term)
    return {id_: _name_and_team(searcher, terms) for id_, terms in found.items()}


def _name_and_team(searcher: tantivy.Searcher, terms: Sequence[str]) -> tuple[str, str]:
    if len(terms) > 1:
        terms = [term for term in terms if _lives(searcher, term)] or terms
    return _read_held(terms[0])[1]


@lru_cache(4_096)
def _read_held(term: str) -> tuple[int, tuple[str, str]]:
    _, id_, named = term.split(" ", 2)
    name, team = json.loads(named)
    return int(id_), (name, team)


def _lives(searcher: tantivy.Searcher, term: str) -> bool:
    query = tantivy.Query.term_query(schema(), "meta", term, "basic")
    return bool(searcher.search(query, limit=1, count=False).hits)


def reference_of(document: Document) -> str:
    """The handle, as text."""
    head = _model_reference(document.registry, document.model)
    return head if document.version is None else f"{head}:{encode_part(document.version)}"


@lru_cache(65_536)
def _model_reference(registry: str, model: str) -> str:
    return str(Reference(registry, model))


@lru_cache(65_536)
def key_name(kind: str, key: str) -> str:
    """A name, without case, as a JSON key: letters and digits only, whatever it holds. `kind` is v for the value of a
    tag, and for numbers m in metrics, p in params, t in tags."""
    return kind + fold(key).encode("utf-8").hex()


def column(kind: str, key: str) -> str:
    """The column of a name."""
    return f"data.{key_name(kind, key)}"


@lru_cache(262_144)
def fact(field: str, value: str) -> str:
    """An exact value of a qualifier, without case."""
    return f"{field}{SEPARATOR}{fold(value)}"[:MAX_VALUE]


def micros(moment: datetime | None) -> int:
    """Microseconds since 1970, 0 for unknown."""
    return 0 if moment is None else round(moment.timestamp() * 1e6)


def clean(text: str) -> str:
    """Text that the engine takes: not too long, no lone surrogates."""
    return text[:MAX_VALUE] if text.isascii() else text[:MAX_VALUE].encode("utf-8", "replace").decode()


def as_number(text: str) -> float | None:
    """A param's or a tag's value as a finite number, where it is one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if _is_usable(value) else None


def _is_usable(value: float) -> bool:
    return math.isfinite(value) and abs(value) < MAX_NUMBER


def _number(tie: int) -> int:
    mixed = (tie * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    return (mixed >> 33) - (1 << 30)


def _encode_one(document: Document, reference: str, tie: int) -> tantivy.Document:
    engine = tantivy.Document()
    text = engine.add_text
    name, fields = _model_texts(document.registry, document.model, document.title)
    for field, value in fields:
        text(field, value)
    near = " ".join(_short_texts(document))
    text("near", near)
    text("all", f"{name} {near} {_words(document.description)}" if document.description else f"{name} {near}")
    for value in (document.description, *document.tags.values()):
        sequence = _sequence(value)
        if " " in sequence:
            text("phrase", sequence)
    for value in _facts(document):
        text("facts", value)
    for facet, column in FACETS.items():
        value = getattr(document, facet)
        if value:
            text(column, clean(value))
    engine.add_bytes("stored", _stored(document, reference))
    _add_numbers(engine, document, reference, tie)
    return engine


@lru_cache(65_536)
def _model_texts(registry: str, model: str, title: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What all versions of a model have in common: the words of its name, and (field, text)."""
    name = " ".join((*name_words(model), *text_words(title)))
    texts = [("name", name), ("order", " ".join(name_order(model)))]
    texts.extend(("phrase", _sequence(text)) for text in (model, title) if text)
    texts.append(("sort_name", fold(model)[: MAX_VALUE // 2].encode().hex()))
    texts.extend(("whole", form) for form in whole_names(registry, model))
    texts.extend(("facts", fact("model", form)) for form in {model, model.rpartition("/")[2]})
    return name, tuple(texts)


def _add_numbers(engine: tantivy.Document, document: Document, reference: str, tie: int) -> None:
    data: dict[str, float | str] = {key_name("v", key): clean(value) for key, value in document.tags.items()}
    data.update(_all_numbers(document))
    if data:
        engine.add_json("data", data)
    rank, browse = ranking.ranks(document, reference)
    for field, value in (("registry", document.registry_id), ("model", document.model_id), ("rank", rank)):
        engine.add_unsigned(field, value)
    engine.add_unsigned("browse", browse)
    engine.add_unsigned("tie", tie)
    engine.add_integer("created", micros(document.created))
    engine.add_integer("updated", micros(document.updated or document.created))


def _all_numbers(document: Document) -> dict[str, float]:
    numbers = {
        key_name("m", key): float(value) for key, value in document.metrics.items() if _is_usable(value)
    }
    for prefix, texts in (("p", document.params), ("t", document.tags)):
        for key, text in texts.items():
            value = as_number(text)
            if value is not None:
                numbers[key_name(prefix, key)] = value
    return numbers


@lru_cache(65_536)
def _words(text: str) -> str:
    return " ".join(text_words(text))


@lru_cache(65_536)
def _sequence(text: str) -> str:
    return " ".join(chunks(text))


def _short_texts(document: Document) -> Iterator[str]:
    for field in (document.registry, document.team, document.framework, document.owner, document.license):
        if field:
            yield _words(field)
    for text in (document.type, document.stage, document.version or "", *document.aliases):
        yield _words(text)
    for key, value in document.tags.items():
        yield _words(key)
        yield _words(value)


def spellings(model: str) -> tuple[str, ...]:
    """The name and its last segment, each with the way it is written, for suggestions."""
    forms = (fold(model), fold(model.rpartition("/")[2]))
    return tuple(dict.fromkeys(f"{form[:MAX_VALUE]}{SEPARATOR}{clean(model)}" for form in forms))


def _facts(document: Document) -> Iterator[str]:
    for name in FACETS:
        value = getattr(document, name)
        if value and fold(value) != value:  # else its column finds it
            yield fact(name, value)
    if document.version is not None:
        yield fact("version", document.version)
    for alias in document.aliases:
        yield fact("alias", alias)
    for flag in document.flags:
        yield fact("has", flag)
    for key, value in document.tags.items():
        yield fact(f"tag.{key}", value)
    for key, value in document.params.items():
        yield fact(f"param.{key}", value)
    for reference in document.depends_on:
        yield from depends_on_facts(reference)


def depends_on_facts(reference: str) -> Iterator[str]:
    """The forms by which a dependency is asked for: with and without its registry and its version."""
    short = reference.partition("/")[2] or reference
    for form in (reference, short):
        yield fact("depends_on", form)
        bare = form.partition(":")[0].partition("@")[0]
        if bare != form:
            yield fact("depends_on", bare)


def _stored(document: Document, reference: str) -> bytes:
    stored = {
        "ref": reference, "registry": document.registry, "model": document.model, "version": document.version,
        "title": document.title, "team": document.team, "stage": document.stage, "aliases": document.aliases,
        "framework": document.framework, "owner": document.owner, "license": document.license, "type": document.type,
        "created": document.created, "updated": document.updated, "description": document.description[:2_000],
        "tags": document.tags,
    }  # fmt: skip
    try:
        return msgspec.json.encode(stored)
    except UnicodeEncodeError:
        return json.dumps(stored, default=str).encode("ascii")


def read_stored(engine: tantivy.Document) -> dict[str, Any]:
    """What a hit shows, as `_stored` wrote it."""
    raw = bytes(engine["stored"][0])
    try:
        found: dict[str, Any] = msgspec.json.decode(raw)
    except msgspec.DecodeError:  # half a surrogate pair
        found = json.loads(raw)
    return found

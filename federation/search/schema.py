"""The fields of the index and how a document fills them.

Three nested text fields carry the tiers: `name` (words of the name) inside `near` (and of everything short:
tags, team,
stage, …) inside `all` (and of the description). `facts` holds exact values as `field⏵value`. `lead` and
`delta` make
the number of models exact without listing them: see `MODEL_SUM`.
"""

import json
import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

import tantivy

from federation.search import ranking
from federation.search.document import Document
from federation.search.words import chunks, fold, name_words, text_words, whole_names

SCHEMA_VERSION = 1
SEPARATOR = "\x1f"
FACETS = {
    "registry": "registry_name", "team": "team", "stage": "stage", "framework": "framework", "owner": "owner",
    "license": "license", "type": "type",
}  # fmt: skip
MODEL_SUM = "delta"
"""Each version has a random number; the first version of a model (`lead` 1) has its own less the sum of them
all. So
the sum over a result is zero where it holds all or none of each model (but for a chance of 2⁻³¹), and then
the
models are as many as the leads."""
MAX_VALUE = 400
MAX_NUMBER = 1e300


@cache
def schema() -> tantivy.Schema:
    """The schema, built once."""
    builder = tantivy.SchemaBuilder()
    for name in ("name", "near", "all"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("phrase", tokenizer_name="whitespace", index_option="position")
    for name in ("whole", "facts", "meta", "spelled"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in (*FACETS.values(), "sort_name"):
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_json_field("tags", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_json_field("numbers", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("registry", fast=True, indexed=True)
    builder.add_unsigned_field("model", fast=True, indexed=True)
    for name in ("rank", "browse", "tie", "lead"):
        builder.add_unsigned_field(name, fast=True)
    for name in ("delta", "created", "updated"):
        builder.add_integer_field(name, fast=True)
    builder.add_bytes_field("stored", stored=True)
    return builder.build()


def encode(documents: Iterable[Document]) -> Iterator[tantivy.Document]:
    """Engine documents of models; all documents of one model must follow each other."""
    for _, group in groupby(documents, key=lambda document: document.model_id):
        versions = list(group)
        numbers = [_number(document) for document in versions]
        for index, document in enumerate(versions):
            delta = numbers[index] - sum(numbers) if index == 0 else numbers[index]
            yield _encode_one(document, lead=index == 0, delta=delta)


def key_name(key: str) -> str:
    """A tag, metric or param name, without case, as a JSON key: letters and digits only, whatever it
    holds."""
    return "k" + fold(key).encode("utf-8").hex()


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


def _number(document: Document) -> int:
    mixed = (ranking.tie(document) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    return (mixed >> 33) - (1 << 30)


def _encode_one(document: Document, *, lead: bool, delta: int) -> tantivy.Document:
    name, near, everything = _texts(document)
    fields: dict[str, Any] = {
        "name": name,
        "near": near,
        "all": everything,
        "phrase": _phrases(document),
        "whole": list(whole_names(document.registry, document.model)),
        "spelled": list(spellings(document.model)),
        "facts": list(_facts(document)),
        "sort_name": fold(document.model)[: MAX_VALUE // 2].encode().hex(),
        "stored": _stored(document),
    }
    for facet, column in FACETS.items():
        value = getattr(document, facet)
        if value:
            fields[column] = clean(value)
    engine = tantivy.Document()
    for field, value in fields.items():
        if field == "stored":
            engine.add_bytes(field, value)
            continue
        for item in value if isinstance(value, list) else (value,):
            engine.add_text(field, item)
    _add_numbers(engine, document, lead, delta)
    return engine


def _add_numbers(engine: tantivy.Document, document: Document, lead: bool, delta: int) -> None:
    if document.tags:
        engine.add_json("tags", {key_name(key): clean(value) for key, value in document.tags.items()})
    numbers = _all_numbers(document)
    if numbers:
        engine.add_json("numbers", numbers)
    engine.add_unsigned("registry", document.registry_id)
    engine.add_unsigned("model", document.model_id)
    engine.add_unsigned("rank", ranking.rank(document))
    engine.add_unsigned("browse", ranking.rank(document, by_name=False))
    engine.add_unsigned("tie", ranking.tie(document))
    engine.add_unsigned("lead", int(lead))
    engine.add_integer("delta", delta)
    engine.add_integer("created", micros(document.created))
    engine.add_integer("updated", micros(document.updated or document.created))


def _all_numbers(document: Document) -> dict[str, float]:
    numbers = {
        "m" + key_name(key): float(value) for key, value in document.metrics.items() if _is_usable(value)
    }
    for prefix, texts in (("p", document.params), ("t", document.tags)):
        for key, text in texts.items():
            value = as_number(text)
            if value is not None:
                numbers[prefix + key_name(key)] = value
    return numbers


@lru_cache(65_536)
def _name_text(model: str, title: str) -> str:
    return " ".join(dict.fromkeys((*name_words(model), *text_words(title))))


def _texts(document: Document) -> tuple[str, str, str]:
    name = _name_text(document.model, document.title)
    words: dict[str, None] = {}
    for text in _short_texts(document):
        if text:
            words.update(dict.fromkeys(text_words(text)))
    near = f"{name} {' '.join(words)}"
    return (
        name,
        near,
        f"{near} {' '.join(text_words(document.description))}" if document.description else near,
    )


def _short_texts(document: Document) -> Iterator[str]:
    yield from (
        document.registry,
        document.team,
        document.framework,
        document.owner,
        document.license,
        document.type,
    )
    yield from (document.stage, document.version or "", *document.aliases)
    for key, value in document.tags.items():
        yield key
        yield value


def _phrases(document: Document) -> list[str]:
    texts = (document.model, document.title, document.description, *document.tags.values())
    return [" ".join(chunks(text)) for text in texts if text]


@lru_cache(65_536)
def spellings(model: str) -> tuple[str, ...]:
    """The name and its last segment, each with the way it is written, for suggestions."""
    forms = (fold(model), fold(model.rpartition("/")[2]))
    return tuple(dict.fromkeys(f"{form[:MAX_VALUE]}{SEPARATOR}{clean(model)}" for form in forms))


def _facts(document: Document) -> Iterator[str]:
    for name in FACETS:
        value = getattr(document, name)
        if value:
            yield fact(name, value)
    if document.version is not None:
        yield fact("version", document.version)
    yield fact("model", document.model)
    if "/" in document.model:
        yield fact("model", document.model.rpartition("/")[2])
    for alias in document.aliases:
        yield fact("alias", alias)
    for flag in document.flags:
        yield fact("has", flag)
    for key, value in document.tags.items():
        yield fact(f"tag.{key}", value)
    for key, value in document.params.items():
        yield fact(f"param.{key}", value)
    for kind, names in (("tag", document.tags), ("param", document.params), ("metric", document.metrics)):
        for key in names:
            yield fact(f"name of {kind}", key)
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


def _stored(document: Document) -> bytes:
    stored = {
        "ref": document.reference, "registry": document.registry, "model": document.model, "version":
        document.version,
        "title": document.title, "team": document.team, "stage": document.stage, "aliases": document.aliases,
        "framework": document.framework, "owner": document.owner, "license": document.license, "type":
        document.type,
        "created": document.created and document.created.isoformat(),
        "updated": document.updated and document.updated.isoformat(),
        "description": document.description[:2_000], "tags": dict(document.tags), "metrics":
        dict(document.metrics),
    }  # fmt: skip
    return json.dumps(stored, ensure_ascii=False, default=list).encode("utf-8", "replace")

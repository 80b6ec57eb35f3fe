"""The fields of the engine's index: its own, and those that `fields.FIELDS` asks for.

Three nested text fields carry the tiers: `name` (words of the name) inside `near` (and of everything short: tags, team,
stage, …) inside `all` (and of the description). `facts` holds exact values as `field⏵value`. `delta` makes the number
of models exact without listing them: see `MODEL_SUM`. How a document fills them: `encoding`.
"""

import json
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache

import tantivy

from federation.search.fields import FACETS, FIELDS, SearchField
from federation.search.words import fold

FORMAT = 11
"""How documents are written: to be raised with every change of that."""
SEPARATOR = "\x1f"
OF_REGISTRY = ("registry", "team")
"""Facets that every document of a registry has the same value of: counted by the registry's id."""
MODEL_SUM, STAGE_SUM = "delta", "stage_delta"
"""Each version has a random number of 31 bits; one of a model has its own less the sum of them all, and `LEAD`. So the
sum over a result that holds all or none of each model is `LEAD` times the number of models, and over any other it is no
multiple of it (but for a chance of 2⁻³⁴). `STAGE_SUM` is the same of the versions of a model that are in one stage: it
counts the models of a result in which all are."""
LEAD = 1 << 34
VERSION_ORDER = "version_order"
"""What versions are compared by: see `versions.order_key`."""
HOLDS_REGISTRY = "registry "
"""In `meta`, before the id of each registry that the index holds documents of; after it, as JSON, its name and team."""
FIRST_BY = {"rank": "first by rank", "browse": "first by browse"}
"""In `meta`, of that version of each model that stands before its others in that order."""
NO_VERSION = "no version"
"""In `meta`, of a model without any: a document that counts as a model and as no version."""
MAX_VALUE = 400


def written_as(fields: Sequence[SearchField]) -> str:
    """What an index says that it was written with: one of another format or with other fields is built anew."""
    rows = [(one.name, one.match, one.keyed, one.facet, one.bare) for one in fields]
    return f"{FORMAT}-{zlib.crc32(repr(rows).encode()):08x}"


SCHEMA = written_as(FIELDS)


@cache
def schema() -> tantivy.Schema:
    """The schema, built once."""
    builder = tantivy.SchemaBuilder()
    for name in ("name", "order", "near", "all"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("phrase", tokenizer_name="whitespace", index_option="position")
    for name in ("whole", "facts", "meta", "spelled", "begins", VERSION_ORDER):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("sort_name", fast=True, tokenizer_name="raw", index_option="basic")
    for facet in FACETS:
        is_fast = facet not in OF_REGISTRY
        builder.add_text_field(facet_column(facet), fast=is_fast, tokenizer_name="raw", index_option="basic")
    builder.add_json_field("data", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("registry", fast=True, indexed=True)
    builder.add_unsigned_field("model", fast=True, indexed=True)
    for name in ("rank", "browse", "tie", "siblings"):
        builder.add_unsigned_field(name, fast=True)
    for name in (MODEL_SUM, STAGE_SUM, "created", "updated", "released"):
        builder.add_integer_field(name, fast=True)
    builder.add_bytes_field("stored", stored=True)
    return builder.build()


@lru_cache(4_096)
def held_registry(registry_id: int, registry: str, team: str) -> str:
    """What `meta` says of a registry."""
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


def facet_column(field: str) -> str:
    """The column of a field whose values are counted."""
    return f"facet_{field}"


@lru_cache(65_536)
def text_key(field: str, key: str) -> str:
    """A name, without case, as the key of a text in `data`: letters and digits only, whatever it holds."""
    return f"{field}T{fold(key).encode().hex()}"


@lru_cache(65_536)
def number_key(field: str, key: str) -> str:
    """A name, without case, as the key of a number in `data`."""
    return f"{field}N{fold(key).encode().hex()}"


def text_column(field: str, key: str) -> str:
    """The column of the texts that a name has."""
    return f"data.{text_key(field, key)}"


def number_column(field: str, key: str) -> str:
    """The column of the numbers that a name has."""
    return f"data.{number_key(field, key)}"


def fact(field: str, value: str) -> str:
    """An exact value of a qualifier, without case."""
    return clean(f"{field}{SEPARATOR}{fold(value)}")


def clean(text: str) -> str:
    """Text that the engine takes: not too long, no lone surrogates."""
    return text[:MAX_VALUE] if text.isascii() else text[:MAX_VALUE].encode("utf-8", "replace").decode()

"""How a document fills the fields of the index: one JSON text, as the engine takes it.

Most of what a version says, others of its model say too, and nearly every name of a tag, metric or param returns: what
was put into JSON once is kept and put together anew. That takes a fifth of the time of filling each field of each
version by itself.
"""

import json
import math
from binascii import b2a_base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import msgspec
import tantivy

from federation.catalogue.order import Age, age_of
from federation.references import Reference, encode_part, is_address
from federation.search import ranking
from federation.search.document import Document
from federation.search.schema import (
    FACETS,
    FIRST_BY,
    LEAD,
    MAX_VALUE,
    MODEL_SUM,
    NO_VERSION,
    STAGE_SUM,
    clean,
    fact,
    held_registry,
    key_name,
)
from federation.search.words import chunks, fold, name_order, name_words, text_words, whole_names

MAX_STORED = 2_000
KEPT, NEIGHBOURS = 16_384, 64
"""So many pieces of each kind are kept; of those that hold a description, what the neighbours of a version need."""
MAX_BEGINNING = 16
LONG = 100
"""A value with more characters returns too seldom to be kept."""


class Piece(NamedTuple):
    """What one fact of a version adds, as JSON: words, each after a space; values of `phrase` and of `facts` and
    members of `data`, each after a comma."""

    words: str = ""
    phrase: str = ""
    facts: str = ""
    data: str = ""


class Shared(NamedTuple):
    """What versions of a model have in common, as in a `Piece`; `members` are those of the whole text."""

    name: str
    near: str
    description: str
    phrase: str
    facts: str
    members: str


def encode(documents: Iterable[Document]) -> Iterator[str]:
    """JSON of models, as the engine's writer takes it; all documents of one model must follow each other."""
    for _, group in groupby(documents, key=lambda document: document.model_id):
        versions = list(group)
        references = [reference_of(document) for document in versions]
        ties = [ranking.tie(reference) for reference in references]
        created, places = _by_age(versions)
        ranks = list(map(ranking.ranks, versions, references, places))
        lead, browsed = (_first(order, ties) for order in zip(*ranks, strict=True))
        stages = [document.stage for document in versions]
        numbers = [_number(tie) for tie in ties]
        of_model, of_stage = _summing_up(numbers, [""] * len(versions)), _summing_up(numbers, stages)
        for place, (document, reference) in enumerate(zip(versions, references, strict=True)):
            once, members, meta = _lead(versions) if place == lead else ("", "", [])
            meta += [FIRST_BY["browse"]] if place == browsed else []
            members += (
                f',"{MODEL_SUM}":{of_model[place]},"{STAGE_SUM}":{of_stage[place]},"siblings":{len(versions)}'
            )
            members += f',"meta":{_json(meta)}' if meta else ""
            yield _encode_one(document, reference, ties[place], ranks[place], created[place], once, members)


def _first(ranks: Sequence[int], ties: Sequence[int]) -> int:
    """The place of that which stands before the others."""
    return max(range(len(ranks)), key=lambda place: (ranks[place], ties[place]))


def _summing_up(numbers: Sequence[int], groups: Sequence[str]) -> list[int]:
    """The numbers, changed so that those of each group have the sum `LEAD`."""
    held = list(numbers)
    for group in set(groups):
        first = groups.index(group)
        held[first] += LEAD - sum(
            number for number, other in zip(numbers, groups, strict=True) if other == group
        )
    return held


def _by_age(versions: Sequence[Document]) -> tuple[list[int], list[int]]:
    """For each version, the creation it is sorted by, and its place among those of its model that changed in the same
    second. Of several with one creation the newer ones are put a microsecond on, so that a column tells their order.
    """
    created, places = [0] * len(versions), [0] * len(versions)
    last, seconds = 0, Counter[int]()
    for index in sorted(range(len(versions)), key=lambda index: _age(versions[index])):
        if moment := micros(versions[index].created):
            created[index] = last = max(moment, last + 1)
        second = ranking.second_of(versions[index])
        places[index] = seconds[second]
        seconds[second] += 1
    return created, places


def _age(document: Document) -> Age:
    return age_of(document.created, document.first_seen, document.version or "", document.version_id or 0)


def _encode_one(
    document: Document, reference: str, tie: int, ranks: tuple[int, int], created: int, more_facts: str,
    more_members: str,
) -> str:  # fmt: skip
    shared = _shared(
        document.registry, document.team, document.model, document.title, document.type, document.framework,
        document.owner, document.license, document.description,
    )  # fmt: skip
    words, phrases, own_facts, data = map("".join, zip(*_pieces(document), strict=True))
    near, phrase, facts = shared.near + words, shared.phrase + phrases, shared.facts + own_facts + more_facts
    rank, browse = ranks
    updated = micros(document.updated or document.created)
    stored = b2a_base64(_stored(document, reference), newline=False).decode("ascii")
    return (
        f'{{"near":"{near}","all":"{shared.name}{near}{shared.description}","phrase":[{phrase[1:]}],'
        f'"facts":[{facts[1:]}],"data":{{{data[1:]}}},"stored":"{stored}",'
        f'"registry":{document.registry_id},"model":{document.model_id},"rank":{rank},"browse":{browse},"tie":{tie},'
        f'"created":{created},"updated":{updated}{shared.members}{_stage(document.stage)}{more_members}}}'
    )


@lru_cache(NEIGHBOURS)
def _shared(
    registry: str, team: str, model: str, title: str, kind: str, framework: str, owner: str, license_: str,
    description: str,
) -> Shared:  # fmt: skip
    named = " ".join((*name_words(model), *text_words(title)))
    near = "".join([_word(text) for text in (registry, team, framework, owner, license_, kind)])
    sequences = [" ".join(chunks(text)) for text in (model, title) if text]
    if " " in (described := " ".join(chunks(description))):
        sequences.append(described)
    facts = [fact("model", form) for form in sorted({model, model.rpartition("/")[2]})]
    valued = {"registry": registry, "team": team, "framework": framework, "owner": owner, "license": license_,
              "type": kind}  # fmt: skip
    # What is written without case its column finds.
    facts += [fact(facet, value) for facet, value in valued.items() if fold(value) != value]
    members: dict[str, object] = {FACETS[facet]: clean(value) for facet, value in valued.items() if value}
    members["name"] = named
    members["order"] = " ".join(name_order(model))
    members["sort_name"] = fold(model)[: MAX_VALUE // 2].encode().hex()
    members["whole"] = whole_names(registry, model)
    return Shared(
        _json(named)[1:-1], near, _words(*text_words(description)), _values(sequences), _values(facts),
        f",{_json(members)[1:-1]}",
    )  # fmt: skip


@lru_cache(KEPT)
def _word(text: str) -> str:
    return _words(*text_words(text))


def _pieces(document: Document) -> list[Piece]:
    """What distinguishes a version from others of its model."""
    pieces = [_state(document.stage, document.state, document.version, document.flags)]
    pieces += [_alias(alias) for alias in document.aliases]
    for key, value in document.tags.items():
        pieces.append((_tag if len(value) <= LONG else _tag.__wrapped__)(key, value))
    for key, value in document.params.items():
        pieces.append((_param if len(value) <= LONG else _param.__wrapped__)(key, value))
    pieces += [_dependency(reference) for reference in document.depends_on]
    pieces += [_library(name, version) for name, version in document.libraries.items()]
    pieces += [_image(image) for image in document.images]
    numbers = [
        f"{_metric(key)}{float(value)!r}" for key, value in document.metrics.items() if math.isfinite(value)
    ]
    if numbers:
        pieces.append(Piece(data="".join(numbers)))
    return pieces


@lru_cache(KEPT)
def _tag(key: str, value: str) -> Piece:
    sequence = " ".join(chunks(value))
    members = f',"{key_name("v", key)}":{_json(clean(value))}{_numbered("t", key, value)}'
    words = _word(key) + _words(*text_words(value))
    return Piece(
        words, _values([sequence]) if " " in sequence else "", _values([fact(f"tag.{key}", value)]), members
    )


@lru_cache(KEPT)
def _param(key: str, value: str) -> Piece:
    return Piece(facts=_values([fact(f"param.{key}", value)]), data=_numbered("p", key, value))


def _numbered(kind: str, key: str, value: str) -> str:
    number = as_number(value)
    return "" if number is None else f',"{key_name(kind, key)}":{number!r}'


@lru_cache(KEPT)
def _metric(key: str) -> str:
    return f',"{key_name("m", key)}":'


@lru_cache(KEPT)
def _state(stage: str, state: str, version: str | None, flags: frozenset[str]) -> Piece:
    facts = [fact("has", flag) for flag in sorted(flags)]
    if state:
        facts.append(fact("state", state))
    if version is not None:
        facts.append(fact("version", version))
    return Piece(words=_words(*text_words(stage), *text_words(version or "")), facts=_values(facts))


@lru_cache(KEPT)
def _alias(alias: str) -> Piece:
    return Piece(words=_words(*text_words(alias)), facts=_values([fact("alias", alias)]))


@lru_cache(KEPT)
def _library(name: str, version: str) -> Piece:
    """Found by its name, and by `NAME@VERSION`."""
    return Piece(facts=_values([fact("library", name), fact("library", f"{name}@{version}")]))


@lru_cache(KEPT)
def _image(image: str) -> Piece:
    """Found by its address, without the tag or digest too, and by the last part of its name."""
    plain = image.partition("@")[0]
    head, _, last = plain.rpartition("/")
    name = last.partition(":")[0]
    forms = (image, plain, f"{head}/{name}" if head else name, name)
    return Piece(facts=_values([fact("image", form) for form in dict.fromkeys(forms)]))


@lru_cache(KEPT)
def _dependency(reference: str) -> Piece:
    return Piece(facts=_values(list(depends_on_facts(reference))))


@lru_cache(KEPT)
def _stage(stage: str) -> str:
    return f',"{FACETS["stage"]}":{_json(clean(stage))}' if stage else ""


def _lead(versions: Sequence[Document]) -> tuple[str, str, list[str]]:
    """What is held once for each model, by its best version: what suggestions complete, which registry it is in, and
    whether it has no version. Values of `facts` and members of the whole, each after a comma, and values of `meta`."""
    first = versions[0]
    named = {("tag", key) for key in _keys([one.tags for one in versions])}
    named |= {("param", key) for key in _keys([one.params for one in versions])}
    named |= {("metric", key) for key in _keys([one.metrics for one in versions])}
    members = {"spelled": spellings(first.model), "begins": beginnings(first.model)}
    return (
        _values([fact(f"name of {kind}", key) for kind, key in sorted(named)]),
        f",{_json(members)[1:-1]}",
        [
            held_registry(first.registry_id, first.registry, first.team),
            FIRST_BY["rank"],
            *([] if first.version is not None else [NO_VERSION]),
        ],
    )


def _keys(held: Iterable[Mapping[str, object]]) -> set[str]:
    return set().union(*held)


def spellings(model: str) -> tuple[str, ...]:
    """The name and its last segment, as suggestions look for them when more is typed than `beginnings` hold."""
    return tuple(dict.fromkeys(form[:MAX_VALUE] for form in (fold(model), fold(model.rpartition("/")[2]))))


def beginnings(model: str) -> tuple[str, ...]:
    """What name and last segment begin with: many names may begin so, and all of them would have to be walked."""
    return tuple({form[:end]: None for form in spellings(model) for end in range(1, MAX_BEGINNING + 1)})


def depends_on_facts(reference: str) -> Iterator[str]:
    """The forms by which a dependency is asked for: with and without its registry and its version."""
    if is_address(reference):
        yield fact("depends_on", reference)
        return
    short = reference.partition("/")[2] or reference
    for form in (reference, short):
        yield fact("depends_on", form)
        bare = form.partition(":")[0].partition("@")[0]
        if bare != form:
            yield fact("depends_on", bare)


def reference_of(document: Document) -> str:
    """The handle, as text."""
    head = _model_reference(document.registry, document.model)
    return head if document.version is None else f"{head}:{_encoded(document.version)}"


@lru_cache(NEIGHBOURS)
def _model_reference(registry: str, model: str) -> str:
    return str(Reference(registry, model))


_encoded = lru_cache(KEPT)(encode_part)


def micros(moment: datetime | None) -> int:
    """Microseconds since 1970, 0 for unknown."""
    return 0 if moment is None else round(moment.timestamp() * 1e6)


def as_number(text: str) -> float | None:
    """A param's or a tag's value as a finite number, where it is one."""
    if text[:1].isalpha():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _number(tie: int) -> int:
    mixed = (tie * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    return (mixed >> 33) - (1 << 30)


def _words(*words: str) -> str:
    return _json(" ".join(["", *words]))[1:-1] if words else ""


def _values(texts: Sequence[str]) -> str:
    return f",{_json(texts)[1:-1]}" if texts else ""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _stored(document: Document, reference: str) -> bytes:
    stored = {
        "ref": reference, "registry": document.registry, "model": document.model, "version": document.version,
        "title": document.title, "team": document.team, "stage": document.stage, "aliases": document.aliases,
        "framework": document.framework, "owner": document.owner, "license": document.license, "type": document.type,
        "created": document.created, "updated": document.updated, "description": document.description[:MAX_STORED],
        "tags": document.tags,
    }  # fmt: skip
    try:
        return msgspec.json.encode(stored)
    except UnicodeEncodeError:
        return json.dumps(stored, default=str).encode("ascii")


class Stored(msgspec.Struct, frozen=True):
    """What a hit shows of a document."""

    ref: str
    registry: str
    model: str
    version: str | None
    title: str
    team: str
    stage: str
    aliases: tuple[str, ...]
    framework: str
    owner: str
    license: str
    type: str
    created: str | None
    updated: str | None
    description: str
    tags: dict[str, str]


_stored_decoder = msgspec.json.Decoder(Stored)


def read_stored(engine: tantivy.Document) -> Stored:
    """What a hit shows, as `_stored` wrote it."""
    raw = bytes(engine["stored"][0])
    try:
        return _stored_decoder.decode(raw)
    except msgspec.DecodeError:  # half a surrogate pair
        return msgspec.convert(json.loads(raw), Stored)

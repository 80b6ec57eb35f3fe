"""How a document fills the fields of the index: one JSON text, as the engine takes it.

Most of what a version says, all of its model say alike: that is put into JSON once for each model. Nearly every name of
a tag, metric or param returns: those are kept. Both are put together anew for each version, which takes a fifth of the
time of filling each field by itself.
"""

import json
import math
from binascii import b2a_base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import tantivy

from federation.catalogue.order import Age, age_of
from federation.references import Reference, encode_part
from federation.search import ranking
from federation.search.document import Document, Stored
from federation.search.fields import BY_NAME
from federation.search.tantivy.schema import (
    FIRST_BY,
    LEAD,
    MAX_VALUE,
    MODEL_SUM,
    NO_VERSION,
    STAGE_SUM,
    VERSION_ORDER,
    clean,
    facet_column,
    fact,
    held_registry,
    number_key,
    text_key,
)
from federation.search.versions import order_key
from federation.search.words import chunks, fold, name_order, name_words, text_words, whole_names

MAX_STORED = 2_000
KEPT, NEIGHBOURS = 1_024, 64
"""So many pieces of each kind are kept; of many more, to drop one takes as long as to make it. Of those that hold a
description, what the neighbours of a version need."""
MAX_BEGINNING = 16
LONG, MANY = 100, 16
"""A value with more characters, and more values, return too seldom to be kept."""


class Piece(NamedTuple):
    """What one fact of a version adds, as JSON: words, each after a space; values of `phrase` and of `facts`, members
    of `data` and of the whole text, each after a comma."""

    words: str = ""
    phrase: str = ""
    facts: str = ""
    data: str = ""
    members: str = ""


class ModelPiece(NamedTuple):
    """What name, title and description of a version add, as in a `Piece`."""

    name: str
    description: str
    phrase: str
    members: str


class Alike(NamedTuple):
    """What all versions of a model say, and where else each of them is to be asked."""

    piece: Piece
    fields: Sequence[str]
    entries: Sequence[tuple[str, str]]
    """A field, and a name in it."""


def encode(documents: Iterable[Document]) -> Iterator[str]:
    """JSON of models, as the engine's writer takes it; all documents of one model must follow each other."""
    for _, group in groupby(documents, key=attrgetter("model_id")):
        versions = list(group)
        references = [reference_of(document) for document in versions]
        ties = [ranking.tie(reference) for reference in references]
        changed = [ranking.changed(document) for document in versions]
        created, places = _by_age(versions, changed)
        ranks = list(map(ranking.ranks, versions, references, changed, places))
        lead, browsed = (_first(order, ties) for order in zip(*ranks, strict=True))
        stages = [document.stage for document in versions]
        numbers = [_number(tie) for tie in ties]
        of_model, of_stage = _summing_up(numbers, [""] * len(versions)), _summing_up(numbers, stages)
        alike = _alike(versions)
        for place, (document, reference) in enumerate(zip(versions, references, strict=True)):
            once, members, meta = _lead(versions) if place == lead else ("", "", [])
            meta += [FIRST_BY["browse"]] if place == browsed else []
            members += (
                f',"{MODEL_SUM}":{of_model[place]},"{STAGE_SUM}":{of_stage[place]},"siblings":{len(versions)}'
            )
            members += f',"meta":{_json(meta)}' if meta else ""
            held = _pieces(document, alike)
            yield _encode_one(
                document, held, reference, ties[place], ranks[place], created[place], once, members
            )


def _alike(versions: Sequence[Document]) -> Alike:
    texts, fields = _same([one.texts for one in versions])
    pieces = [_field_piece(field, held) for field, held in texts]
    entries: list[tuple[str, str]] = []
    for field in dict.fromkeys(chain.from_iterable([one.entries for one in versions])):
        if BY_NAME[field].match != "number":
            said, names = _same([one.entries.get(field, {}) for one in versions])
            pieces += [_entry_piece(field, key, value) for key, value in said]
            entries += [(field, key) for key in names]
    return Alike(_joined(pieces), fields, entries)


def _same(held: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[str, Any]], list[str]]:
    """What all of these hold under one name, and the names under which they do not."""
    first, *others = held
    same = set(first.items()).intersection(*[one.items() for one in others])
    alike = [item for item in first.items() if item in same]
    names = dict.fromkeys(chain.from_iterable(held))
    return alike, [name for name in names if (name, first.get(name)) not in same]


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


def _by_age(versions: Sequence[Document], changed: Sequence[float]) -> tuple[list[int], list[int]]:
    """For each version, the creation it is sorted by, and its place among those of its model that changed in the same
    second. Of several with one creation the newer ones are put a microsecond on, so that a column tells their order.
    """
    created, places = [0] * len(versions), [0] * len(versions)
    last, seconds = 0, Counter[int]()
    ages = list(map(_age, versions))
    for index in sorted(range(len(versions)), key=ages.__getitem__):
        if moment := micros(versions[index].created):
            created[index] = last = max(moment, last + 1)
        second = ranking.second_of(changed[index])
        places[index] = seconds[second]
        seconds[second] += 1
    return created, places


def _age(document: Document) -> Age:
    return age_of(document.created, document.first_seen, document.version or "", document.version_id or 0)


def _encode_one(
    document: Document, held: Piece, reference: str, tie: int, ranks: tuple[int, int], created: int, more_facts: str,
    more_members: str,
) -> str:  # fmt: skip
    shared = _shared(document.registry, document.model, document.title, document.description)
    near, phrases, facts, data, members = held
    phrase, facts = shared.phrase + phrases, facts + more_facts
    rank, browse = ranks
    updated = micros(document.updated or document.created)
    released = micros(document.released or document.created)
    stored = b2a_base64(_stored(document, reference), newline=False).decode("ascii")
    return (
        f'{{"near":"{near}","all":"{shared.name}{near}{shared.description}","phrase":[{phrase[1:]}],'
        f'"facts":[{facts[1:]}],"data":{{{data[1:]}}},"stored":"{stored}",'
        f'"registry":{document.registry_id},"model":{document.model_id},"rank":{rank},"browse":{browse},"tie":{tie},'
        f'"created":{created},"updated":{updated},"released":{released}{shared.members}{members}{more_members}}}'
    )


@lru_cache(NEIGHBOURS)
def _shared(registry: str, model: str, title: str, description: str) -> ModelPiece:
    named = " ".join((*name_words(model), *text_words(title)))
    sequences = [" ".join(chunks(text)) for text in (model, title) if text]
    if " " in (described := " ".join(chunks(description))):
        sequences.append(described)
    members = {
        "name": named,
        "order": " ".join(name_order(model)),
        "sort_name": fold(model)[: MAX_VALUE // 2].encode().hex(),
        "whole": whole_names(registry, model),
    }
    return ModelPiece(
        _json(named)[1:-1], _words(*text_words(description)), _values(sequences), f",{_json(members)[1:-1]}"
    )


def _pieces(document: Document, alike: Alike) -> Piece:
    """What a version is found by, besides its name and description."""
    texts, entries = document.texts, document.entries
    pieces = [alike.piece, _version(document.version or "")]
    pieces += [_field_piece(field, held) for field in alike.fields if (held := texts.get(field))]
    for field, key in alike.entries:
        if (value := entries.get(field, {}).get(key)) is not None:
            pieces.append(_entry_piece(field, key, value))
    for field, numbers in entries.items():
        if BY_NAME[field].match == "number":
            pieces.append(Piece(data=_numbers(field, numbers)))
    return _joined(pieces)


def _joined(pieces: Iterable[Piece]) -> Piece:
    return Piece(*map("".join, zip(*pieces, strict=True))) if pieces else Piece()


@lru_cache(KEPT)
def _word(text: str) -> str:
    return _words(*text_words(text))


@lru_cache(KEPT)
def _version(version: str) -> Piece:
    return Piece(
        words=_word(version), members=f',"{VERSION_ORDER}":"{order_key(version)}"' if version else ""
    )


def _field_piece(field: str, texts: tuple[str, ...]) -> Piece:
    often = len(texts) <= MANY and max(map(len, texts)) <= LONG
    return (_field if often else _field.__wrapped__)(field, texts)


def _entry_piece(field: str, key: str, value: str) -> Piece:
    return (_entry if len(value) <= LONG else _entry.__wrapped__)(field, key, value)


@lru_cache(KEPT)
def _field(field: str, texts: tuple[str, ...]) -> Piece:
    """What a field holds: facts, and the words and the column that it asks for. What a column holds as it is asked
    for, without case, needs no fact."""
    row = BY_NAME[field]
    words = [word for text in texts for word in text_words(text)] if row.bare else []
    facts = [fact(field, text) for text in texts if not row.facet or fold(text) != text]
    column = [clean(text) for text in texts]
    members = f',"{facet_column(field)}":{_json(column)}' if row.facet else ""
    return Piece(_words(*words), facts=_values(list(dict.fromkeys(facts))), members=members)


@lru_cache(KEPT)
def _entry(field: str, key: str, value: str) -> Piece:
    row = BY_NAME[field]
    facts = _values([fact(f"{field}.{key}", value)])
    number = as_number(value)
    data = "" if number is None else f',"{number_key(field, key)}":{number!r}'
    if row.facet:
        data = f',"{text_key(field, key)}":{_json(clean(value))}{data}'
    if not row.bare:
        return Piece(facts=facts, data=data)
    sequence = " ".join(chunks(value))
    words = _word(key) + _words(*text_words(value))
    return Piece(words, f',"{sequence}"' if " " in sequence else "", facts, data)


def _numbers(field: str, entries: Mapping[str, float]) -> str:
    finite = math.isfinite
    return "".join(
        [f"{_number_member(field, key)}{float(value)!r}" for key, value in entries.items() if finite(value)]
    )


@lru_cache(KEPT)
def _number_member(field: str, key: str) -> str:
    return f',"{number_key(field, key)}":'


def _lead(versions: Sequence[Document]) -> tuple[str, str, list[str]]:
    """What is held once for each model, by its best version: what suggestions complete, which registry it is in, and
    whether it has no version. Values of `facts` and members of the whole, each after a comma, and values of `meta`."""
    first = versions[0]
    named = {(field, key) for one in versions for field, entries in one.entries.items() for key in entries}
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


def spellings(model: str) -> tuple[str, ...]:
    """The name and its last segment, as suggestions look for them when more is typed than `beginnings` hold."""
    return tuple(dict.fromkeys(form[:MAX_VALUE] for form in (fold(model), fold(model.rpartition("/")[2]))))


def beginnings(model: str) -> tuple[str, ...]:
    """What name and last segment begin with: many names may begin so, and all of them would have to be walked."""
    return tuple({form[:end]: None for form in spellings(model) for end in range(1, MAX_BEGINNING + 1)})


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
    if text[:1].isalpha() or text[-1:].isalpha():
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
    """They are letters and digits: nothing in them has to be escaped."""
    return " ".join(["", *words])


def _values(texts: Sequence[str]) -> str:
    return f",{_json(texts)[1:-1]}" if texts else ""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _stored(document: Document, reference: str) -> bytes:
    texts, none = document.texts, ("",)
    stored = {
        "ref": reference, "registry": document.registry, "model": document.model, "version": document.version,
        "title": document.title, "team": document.team, "stage": document.stage, "aliases": document.aliases,
        "framework": texts.get("framework", none)[0], "owner": texts.get("owner", none)[0],
        "license": texts.get("license", none)[0], "type": texts.get("type", none)[0], "created": document.created,
        "updated": document.updated, "description": document.description[:MAX_STORED],
        "tags": document.entries.get("tag", {}),
    }  # fmt: skip
    try:
        return msgspec.json.encode(stored)
    except UnicodeEncodeError:
        return json.dumps(stored, default=str).encode("ascii")


_stored_decoder = msgspec.json.Decoder(Stored)


def read_stored(engine: tantivy.Document) -> Stored:
    """What a hit shows, as `_stored` wrote it."""
    raw = bytes(engine["stored"][0])
    try:
        return _stored_decoder.decode(raw)
    except msgspec.DecodeError:  # half a surrogate pair
        return msgspec.convert(json.loads(raw), Stored)

"""What is asked of search and what it answers: the JSON of `GET /search`, `GET /suggest`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from federation.errors import InvalidRequestError

Group: TypeAlias = Literal["model", "version"]
DEFAULT_LIMIT = 20
MAX_LIMIT = 200
MAX_FACETS = 12


class SearchError(InvalidRequestError):
    """A parameter besides the query cannot be used: `parameter` names it, the message says what it may be."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter

    @property
    def fields(self) -> Mapping[str, object]:
        return {"parameter": self.parameter}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is asked for: the query, its page, its order and what is counted.

    `sort` is `relevance`, `updated`, `created`, `name` or `metric.NAME`, with `-` before it for the other direction
    (`updated`, `created` and metrics begin with the highest). `facets` are those of `fields.facet_names`. `strict`:
    words are words, and all of them must match. `literal`: parts of the query that are words and nothing more.
    """

    q: str = ""
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    sort: str = "relevance"
    facets: tuple[str, ...] = ()
    group: Group = "model"
    explain: bool = False
    strict: bool = False
    literal: tuple[str, ...] = ()


class Highlight(msgspec.Struct, frozen=True):
    """A text in which words were found, and where: (start, end) in characters."""

    field: str
    text: str
    ranges: tuple[tuple[int, int], ...]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a hit shows of a version, as the index keeps it. Times are ISO 8601."""

    ref: str
    registry: str
    model: str
    version: str | None
    title: str
    stage: str
    team: str
    aliases: tuple[str, ...]
    framework: str
    owner: str
    license: str
    type: str
    created: str | None
    updated: str | None


class Hit(Shown, frozen=True, kw_only=True):
    """One version, or with `group` "model" the best version of a model and how many `others` match besides.

    `score` is between 0 and 1, `explanation` only there when asked for.
    """

    score: float
    others: int
    highlights: tuple[Highlight, ...]
    explanation: Mapping[str, object] | None = None


class Likeness(msgspec.Struct, frozen=True):
    """In what one version is like another: `by` text, lineage, schema or metrics, how much from 0 to 1, and what both
    have: words, and queries that both answer. What is close in meaning may share no word."""

    by: str
    score: float
    shared: tuple[str, ...]


class Similar(Shown, frozen=True, kw_only=True):
    """The first version of another model, and why it is like the one that was asked about. `score` is from 0 to 1."""

    score: float
    because: tuple[Likeness, ...]


class SimilarAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is like one version, most alike first; `partial` and `registries` as in a `SearchAnswer`."""

    ref: str
    similar: tuple[Similar, ...] = ()
    partial: bool = False
    registries: tuple["Freshness", ...] = ()


class FacetValue(msgspec.Struct, frozen=True):
    """How many versions (and models without any) of the whole result have this value."""

    value: str
    count: int


class Correction(msgspec.Struct, frozen=True):
    """A word that found little, and what was searched besides: "showing results for …"."""

    word: str
    instead: str


class Chip(msgspec.Struct, frozen=True):
    """A part of the query and what it was understood as: a `query` in the search language that answers it as its words
    do, or an order to `sort` by. It is taken back by a `literal` of its `text`."""

    text: str
    meaning: str
    query: str = ""
    sort: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """A qualifier of the query with a value, or after its dot a name, that nothing has, and those with the nearest."""

    qualifier: str
    nearest: tuple[str, ...]


class Freshness(msgspec.Struct, frozen=True):
    """A registry the answer covers: its state and its last successful sync, ISO 8601."""

    name: str
    state: str
    synced_at: str | None


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`total` counts what is found: versions, and models without any; `versions` and `models` count each. All are
    exact. `understood` says what parts of the query mean besides their words, `relaxed` which of its words a hit need
    not have, without those that say nothing. `nothing_fits`: there is no hit, and what comes nearest stands apart, in
    `near`. `unknown` are qualifiers that no hit can have. `by_meaning`: words found too little, and what is close to
    them in meaning stands among the others. `partial` says that a registry could not be read whole, or that the index
    has yet to take in what was read.
    """

    query: str
    total: int = 0
    versions: int = 0
    models: int = 0
    hits: tuple[Hit, ...] = ()
    facets: Mapping[str, tuple[FacetValue, ...]] = {}
    corrections: tuple[Correction, ...] = ()
    understood: tuple[Chip, ...] = ()
    relaxed: tuple[str, ...] = ()
    nothing_fits: bool = False
    near: tuple[Hit, ...] = ()
    by_meaning: bool = False
    unknown: tuple[Unknown, ...] = ()
    next_cursor: str | None = None
    partial: bool = False
    registries: tuple[Freshness, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion: the whole text of the query with it, what kind it is (qualifier, value or model), how many
    versions it finds (0 where that was not counted)."""

    text: str
    kind: str
    label: str
    count: int

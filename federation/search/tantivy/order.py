"""Total orders over matches, page by page, exact while the index changes.

An order is a row of legs (the tiers of relevance; or those that have a metric and those that have not), each a query
and its keys; the last two keys are always the rank and the tie, so that no two documents are equal. A page continues
after the values of the last hit, not after a count.
"""

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, NamedTuple, TypeAlias

import tantivy
from tantivy import DocAddress, FieldType, Order, Query, Searcher

from federation.search.tantivy import queries
from federation.search.tantivy.schema import schema

Values: TypeAlias = tuple[int | float | str, ...]


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column to order by, highest first where `descending`. Text columns hold hexadecimal digits only."""

    field: str
    kind: FieldType
    descending: bool = True

    def takes(self, value: object) -> bool:
        """Whether a value of this column could be this one; what a cursor says is checked by it."""
        if self.kind == FieldType.Text:
            return isinstance(value, str) and re.fullmatch("[0-9a-f]*", value) is not None
        if self.kind == FieldType.Json:
            return isinstance(value, int | float)
        lowest, highest = (0, 1 << 64) if self.kind == FieldType.Unsigned else (-1 << 63, 1 << 63)
        return isinstance(value, int) and lowest <= value < highest


TIE = SortKey("tie", FieldType.Unsigned)
RANK = (SortKey("rank", FieldType.Unsigned), TIE)
MODEL = SortKey("model", FieldType.Unsigned)
MANY_VERSIONS = 2_000
"""So many versions of the models of a page are looked through at once."""
MANY, BINS = 50_000, 256
"""From so many matches on, those that come first by a number are told from the others by so many bins."""
BROWSE = (SortKey("browse", FieldType.Unsigned), TIE)


@dataclass(frozen=True, slots=True)
class Leg:
    """Documents in an order: the best ones of a search, or those that have what it is sorted by. `firsts` says that it
    has of each model only the version that stands before the others; `found` are all of them, where they were read, and
    `listed` where they were listed by the first key."""

    query: Query
    keys: tuple[SortKey, ...]
    weight: float = 1.0
    why: str = "matches"
    firsts: bool = False
    found: "Sequence[Ranked] | None" = None
    listed: Sequence[tuple[Any, DocAddress]] | None = None

    def takes(self, values: Values) -> bool:
        """Whether these could be the values of a place in it."""
        return len(values) == len(self.keys) and all(map(SortKey.takes, self.keys, values))


class Legs:
    """The legs of an order, made as far as a page reaches: most pages end in one of the first."""

    def __init__(self, coming: Iterable[Leg]) -> None:
        self._coming = iter(coming)
        self._made: list[Leg] = []

    def reach(self, index: int) -> bool:
        """Whether there is a leg of this number."""
        self._made += islice(self._coming, max(index + 1 - len(self._made), 0))
        return index < len(self._made)

    def __getitem__(self, index: int) -> Leg:
        return self._made[index]

    def before(self, index: int) -> Sequence[Leg]:
        """The legs that stand before that of this number."""
        return self._made[:index]

    def take(self, index: int, values: Values) -> bool:
        """Whether these could be the values of a place in the leg of this number."""
        return self.reach(index) and self[index].takes(values)


class Ranked(NamedTuple):
    """One match: where it stands in its leg, its model, and how to read it, where that is known."""

    values: Values
    model: int
    address: DocAddress | None


@dataclass(frozen=True, slots=True)
class IndexReader:
    """One state of the index, and the index for what only its parser can make."""

    index: tantivy.Index
    searcher: Searcher

    def rows(self, leg: Leg, after: Values | None, limit: int) -> list[Ranked]:
        """At most `limit` matches of a leg, in order, those after a position."""
        if leg.found is not None:
            return [row for row in leg.found if after is None or row.values < after][:limit]
        if leg.query is queries.NOTHING:
            return []
        if leg.keys[0].kind == FieldType.Json:
            return self._by_number(leg, after, limit)
        if leg.listed is not None and after is None:
            found = self._ordered(leg.query, leg.keys, limit, leg.listed[: limit + 1])
        else:
            found = self._page(leg.query, leg.keys, after, limit)
        addresses = [address for _, address in found]
        models = self.searcher.fast_field_values("model", addresses)
        values = [values for values, _ in found]
        return list(map(Ranked._make, zip(values, models, addresses, strict=True)))

    def _page(
        self, query: Query, keys: Sequence[SortKey], after: Values | None, limit: int
    ) -> list[tuple[Values, DocAddress]]:
        found: list[tuple[Values, DocAddress]] = []
        key, rest = keys[0], keys[1:]
        if after is not None:
            if rest:
                same = queries.all_of([query, self.equal(key, after[0])])
                found = [((after[0], *values), at) for values, at in self._page(same, rest, after[1:], limit)]
            query = queries.all_of([query, self.beyond(key, after[0])])
        if len(found) < limit:
            found += self._ordered(query, keys, limit - len(found))
        return found

    def listed(self, query: Query, key: SortKey, most: int) -> list[tuple[Any, DocAddress]] | None:
        """All that a query finds, by one key; None where there are more than `most`."""
        found = self._top(query, key, most + 1)
        return found if len(found) <= most else None

    def _ordered(
        self,
        query: Query,
        keys: Sequence[SortKey],
        limit: int,
        listed: Sequence[tuple[Any, DocAddress]] | None = None,
    ) -> list[tuple[Values, DocAddress]]:
        """The first ones by the first key (`listed`: they are known); where it is equal, by the others."""
        key, rest = keys[0], keys[1:]
        top = self._top(query, key, limit + 1) if listed is None else listed
        tails = self._tails(rest, [address for _, address in top])
        whole = [((value, *tail), address) for (value, address), tail in zip(top, tails, strict=True)]
        if not rest or len({value for value, _ in top}) == len(top):
            return whole[:limit]
        found: list[tuple[Values, DocAddress]] = []
        for value, group in groupby(whole, key=lambda hit: hit[0][0]):
            same = list(group)
            if len(same) == 1:
                found += same
            elif len(found) < limit:
                equal = queries.all_of([query, self.equal(key, value)])
                found += [((value, *tail), at) for tail, at in self._ordered(equal, rest, limit - len(found))]
        return found[:limit]

    def _tails(self, keys: Sequence[SortKey], addresses: list[DocAddress]) -> list[Values]:
        """The values of the later keys, which every document has: rank and tie."""
        columns: list[list[Any]] = [self.searcher.fast_field_values(key.field, addresses) for key in keys]
        return list(zip(*columns, strict=True)) or [()] * len(addresses)

    def _top(self, query: Query, key: SortKey, limit: int) -> list[tuple[Any, DocAddress]]:
        order = Order.Desc if key.descending else Order.Asc
        result = self.searcher.search(query, limit=limit, count=False, order_by_field=key.field, order=order)
        return result.hits

    def _by_number(self, leg: Leg, after: Values | None, limit: int) -> list[Ranked]:
        """By a number in a JSON column, which only an aggregation can sort by. Everything is read off the sort values:
        what is asked for as a field is fetched for every match, and panics where a segment has no such column."""
        query = leg.query
        if after is not None:
            first, rest = leg.keys[0], leg.keys[1:]
            until = self.index.parse_query(
                f"{first.field}:{'<=' if first.descending else '>='}{queries.decimal(float(after[0]))}"
            )
            shown = self.before(Leg(self.equal(first, after[0]), rest), after[1:])
            query = queries.without(queries.all_of([query, until]), shown)
        near = self._nearest(query, leg.keys[0], limit)
        found = [] if near is None else self._hits(near, leg.keys, limit)
        return found if len(found) == limit else self._hits(query, leg.keys, limit)

    def _nearest(self, query: Query, key: SortKey, limit: int) -> Query | None:
        """Those that come first, at least `limit` where that works out: sorting costs ten times as much for each
        match as counting does. None where there are few."""
        bounds = self.searcher.aggregate(query, {"all": {"stats": {"field": key.field}}})["all"]
        if bounds["count"] < MANY or not bounds["max"] > bounds["min"]:
            return None
        interval = (bounds["max"] - bounds["min"]) / BINS
        asked = {"bins": {"histogram": {"field": key.field, "interval": interval}}}
        bins = self.searcher.aggregate(query, asked)["bins"]["buckets"]
        so_far = 0
        for one in reversed(bins) if key.descending else bins:
            so_far += one["doc_count"]
            if so_far >= limit:
                edge = one["key"] if key.descending else one["key"] + interval
                sign = ">=" if key.descending else "<="
                near = self.index.parse_query(f"{key.field}:{sign}{queries.decimal(edge)}")
                return queries.all_of([query, near]) if so_far <= bounds["count"] // 4 else None
        return None

    def _hits(self, query: Query, keys: Sequence[SortKey], limit: int) -> list[Ranked]:
        order = [{key.field: "desc" if key.descending else "asc"} for key in (*keys, MODEL)]
        asked = {"top": {"top_hits": {"size": limit, "sort": order}}}
        hits = self.searcher.aggregate(query, asked)["top"]["hits"]
        return [_numbered(*hit["sort"]) for hit in hits]

    def addresses(self, rows: Sequence[Ranked]) -> list[DocAddress]:
        """How to read these matches; those sorted by a number have to be looked up, all at once."""
        unknown = [row for row in rows if row.address is None]
        if not unknown:
            return [row.address for row in rows if row.address is not None]
        models = queries.any_of([queries.term("model", id_) for id_ in {row.model for row in unknown}])
        found = dict(self._top(models, TIE, MANY_VERSIONS))
        return [row.address or found.get(row.values[-1]) or self._address(row) for row in rows]

    def _address(self, row: Ranked) -> DocAddress:
        same = queries.all_of([queries.term("model", row.model), self.equal(TIE, row.values[-1])])
        return self._top(same, TIE, 1)[0][1]

    def equal(self, key: SortKey, value: Any) -> Query:
        """Documents with this value."""
        if key.kind == FieldType.Text:
            return queries.term(key.field, str(value))
        if key.kind == FieldType.Json:
            number = queries.decimal(value)
            ends = (self.index.parse_query(f"{key.field}:{sign}{number}") for sign in (">=", "<="))
            return queries.all_of(list(ends))
        return queries.between(key.field, key.kind, int(value), int(value))

    def beyond(self, key: SortKey, value: Any) -> Query:
        """Documents that come after this value."""
        if key.kind == FieldType.Json:
            return self.index.parse_query(
                f"{key.field}:{'<' if key.descending else '>'}{queries.decimal(value)}"
            )
        if key.kind == FieldType.Text:
            return self.index.parse_query(f"{key.field}:{'<' if key.descending else '>'}{value}")
        low, high = (None, value) if key.descending else (value, None)
        return Query.range_query(
            schema(),
            key.field,
            key.kind,
            low,
            high,
            include_lower=key.descending,
            include_upper=not key.descending,
        )

    def before(self, leg: Leg, values: Values) -> Query:
        """Documents of a leg that stand at a position or before it."""
        earlier: list[Query] = []
        equal: list[Query] = [leg.query]
        for key, value in zip(leg.keys, values, strict=True):
            backwards = SortKey(key.field, key.kind, not key.descending)
            earlier.append(queries.all_of([*equal, self.beyond(backwards, value)]))
            equal.append(self.equal(key, value))
        return queries.any_of([*earlier, queries.all_of(equal)])


def _numbered(number: int, rank: int, tie: int, model: int) -> Ranked:
    return Ranked((_number(number), rank, tie), model, None)


def _number(ordered: int) -> float:
    """The number that the engine maps to these 64 bits so that their order is that of the numbers."""
    bits = ordered ^ (1 << 63) if ordered >> 63 else ordered ^ ((1 << 64) - 1)
    number: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return number

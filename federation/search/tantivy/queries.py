"""The engine's queries, as all of search makes them: what never matches is told by its being `NOTHING`."""

from collections.abc import Sequence
from decimal import Decimal

from tantivy import FieldType, Occur, Query

from federation.search.tantivy.schema import schema

NOTHING = Query.empty_query()
FEW = 64


def between(
    field: str, kind: FieldType, low: int, high: int, with_low: bool = True, with_high: bool = True
) -> Query:
    """A range over a column."""
    return Query.range_query(
        schema(), field, kind, low, high, include_lower=with_low, include_upper=with_high
    )


def term(field: str, value: str | int) -> Query:
    """One exact value."""
    return Query.term_query(schema(), field, value, "basic")


def term_set(field: str, values: Sequence[int]) -> Query:
    """One of these values. Few are looked for one by one, which is faster than the set of them: that is a walk through
    the whole index."""
    if len(values) <= FEW:
        return any_of([term(field, value) for value in values])
    return Query.term_set_query(schema(), field, values)


def prefix(field: str, beginning: str) -> Query:
    """Every value that begins so."""
    return Query.fuzzy_term_query(schema(), field, beginning, distance=0, prefix=True)


def typo(field: str, word: str) -> Query:
    """Every value one edit away: a letter too many, too few, wrong, or two swapped."""
    return Query.fuzzy_term_query(schema(), field, word, distance=1, transposition_cost_one=True)


def everything() -> Query:
    """All documents but the index's own."""
    return without(Query.all_query(), term("meta", "position"))


def all_of(queries: Sequence[Query]) -> Query:
    """What all of them match."""
    if any(query is NOTHING for query in queries):
        return NOTHING
    return (
        queries[0] if len(queries) == 1 else Query.boolean_query([(Occur.Must, query) for query in queries])
    )


def any_of(queries: Sequence[Query]) -> Query:
    """What one of them matches."""
    some = [query for query in queries if query is not NOTHING]
    if not some:
        return NOTHING
    return some[0] if len(some) == 1 else Query.boolean_query([(Occur.Should, query) for query in some])


def without(query: Query, excluded: Query) -> Query:
    """What the one matches and the other does not."""
    if query is NOTHING or excluded is NOTHING:
        return query
    return Query.boolean_query([(Occur.Must, query), (Occur.MustNot, excluded)])


def decimal(value: float) -> str:
    """A number in plain decimals, with a point."""
    text = format(Decimal(repr(value)), "f")
    return text if "." in text else f"{text}.0"

"""Statements whose other end is not known: which there are, and why."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Dialect, Select, and_, bindparam, or_, select

from federation.access import View
from federation.graph import tables
from federation.graph.answers import Unresolved
from federation.graph.claims import COPY, UNREADABLE
from federation.graph.names import Registry, named
from federation.graph.resolve import (
    Resolver,
    StatedReference,
    by_second_reading,
    chunks,
    readings_of,
    registry_names,
)
from federation.graph.subject import Subject
from federation.graph.words import kind_word
from federation.prepared import COMPILED, Prepared, Statement, among, cursor_of, prepare, usual
from federation.references import Reference, encode_part, parse_depends_on

SHOWN = 100


def naming(
    connection: Connection,
    view: View,
    subject: Subject,
    known: dict[int, Registry],
    mentioning: Sequence[Any] = (),
    *,
    some: bool = True,
) -> list[Unresolved]:
    """Statements that name the subject's model but nothing that is known of it: they may mean it. Before them those
    that nobody can read (`mentioning`). `some` is whether `naming_query` finds any.
    """
    if subject.reference is None:
        return []
    registry, model = subject.reference.registry, encode_part(subject.reference.model)
    wanted = named_by(subject.reference)
    rows = _naming(connection.dialect, view).rows(cursor_of(connection), wanted) if some else []
    if "/" in model and view.registry_ids is not None:
        rows = sorted([*rows, *_led_out_of_sight(connection, view, model)], key=_by_id)[:SHOWN]
    rows = [row for row in rows if registry in {getattr(one, "registry", "") for one in readings_of(row)}]
    return unresolved(connection, view, [*mentioning[:SHOWN], *rows], known)


def named_by(ref: Reference) -> dict[str, str]:
    """What is given to a statement with `naming_query` in it."""
    registry, model = ref.registry, encode_part(ref.model)
    return {"model": model, "registry": registry, "second": f"{registry}/{model}"}


def naming_query(view: View) -> Select[Any]:
    """The edges that name a model and lead nowhere."""
    edge = tables.edge.c
    model: BindParameter[str] = bindparam("model", "")
    second: BindParameter[str] = bindparam("second", "")
    is_first = and_(edge.wanted_model == model, edge.wanted_registry == bindparam("registry", ""))
    is_second = and_(edge.wanted_model == second, edge.origin == "backend")
    return _stated_by(view).where(
        usual(edge.target.is_(None)),
        ~edge.gone,
        edge.wanted_model.in_([model, second]),  # an index is asked for these, not for either of two pairs
        or_(is_first, is_second),
    )


@lru_cache(COMPILED)
def _naming(dialect: Dialect, view: View) -> Statement:
    return prepare(dialect, naming_query(view).order_by(tables.edge.c.id).limit(SHOWN))


def _stated_by(view: View) -> Select[Any]:
    source = tables.node.alias()
    query = select(tables.edge).join(source, source.c.id == tables.edge.c.source)
    return query.where(view.clause(source.c.registry_id))


def _by_id(row: Any) -> int:
    return int(row.id)


def _led_out_of_sight(connection: Connection, view: View, model: str) -> Sequence[Any]:
    """Edges that name this model first and lead to what is hidden, which is the same as what is not there."""
    led = by_second_reading([model], registry_names(connection))
    target = tables.node.c
    query = _stated_by(view).outerjoin(tables.node, target.id == tables.edge.c.target)
    return connection.execute(query.where(led, ~view.clause(target.registry_id))).all()


def unreadable(connection: Connection, view: View) -> list[Any]:
    """The edges of which nobody can read what they want: any of them may mean anything."""
    return _unreadable(connection.dialect, view).rows(cursor_of(connection), {})


def unreadable_query(view: View) -> Select[Any]:
    """The same as a query."""
    edge = tables.edge.c
    vague = and_(
        edge.wanted_model == UNREADABLE, edge.wanted_registry == "", edge.target.is_(None), ~edge.gone
    )
    return _stated_by(view).where(vague)


@lru_cache(COMPILED)
def _unreadable(dialect: Dialect, view: View) -> Statement:
    return prepare(dialect, unreadable_query(view).order_by(tables.edge.c.id))


def unreadable_line(number: int) -> str:
    """What an answer says of them."""
    those = (
        "one statement of a dependency means" if number == 1 else f"{number} statements of dependencies mean"
    )
    return f"nobody can read what {those}: see `waypost insights unresolved`"


def mentions(text: str, subject: Subject) -> bool:
    """Whether what cannot be read holds the name of the subject's model."""
    if subject.reference is None:
        return False
    name = subject.reference.model
    return any(each.casefold() in text.casefold() for each in {name, encode_part(name)})


def waiting(
    connection: Connection, view: View, nodes: Collection[int], known: dict[int, Registry]
) -> list[Unresolved]:
    """What these state and nobody knows."""
    return unresolved(connection, view, _waiting(view).rows(connection, nodes=list(nodes)), known)


@lru_cache(COMPILED)
def _waiting(view: View) -> Prepared:
    edge = tables.edge.c
    return Prepared(
        select(tables.edge)
        .outerjoin(tables.node, tables.node.c.id == edge.target)
        .where(among(edge.source, "nodes"), ~edge.gone, edge.wanted_model != "", unknown_to(view))
        .order_by(edge.source, edge.wanted, edge.kind, edge.origin)
    )


def unknown_to(view: View) -> ColumnElement[bool]:
    """Edges (joined with the node of their target) that lead nowhere: what is hidden is the same as what is unknown.
    Of the edges of an address that all lead out of sight it is the first.
    """
    edge, same, other = tables.edge.c, tables.edge.alias(), tables.node.alias()
    nowhere = edge.target.is_(None)
    if view.registry_ids is None:
        return nowhere
    told = (
        select(same.c.id)
        .join(other, other.c.id == same.c.target)
        .where(
            same.c.source == edge.source,
            same.c.wanted == edge.wanted,
            same.c.wanted_registry == "",
            ~same.c.gone,
        )
        .where(*(same.c[name] == edge[name] for name in ("kind", "relation", "origin")))
        .where(or_(same.c.id < edge.id, view.clause(other.c.registry_id)))
        .exists()
    )
    return or_(nowhere, and_(~view.clause(tables.node.c.registry_id), ~told))


def unresolved(
    connection: Connection, view: View, rows: Sequence[Any], known: dict[int, Registry]
) -> list[Unresolved]:
    """Edge rows without a target, as an answer shows them."""
    found: list[Unresolved] = []
    for part in chunks(rows):
        names = named(connection, {row.source for row in part}, known)
        reasons = reasons_of(connection, view, part)
        found += [
            Unresolved(
                names[row.source].ref,
                row.wanted,
                kind_word(row.kind),
                row.origin,
                row.first_seen_at,
                reasons.get(row.id, ""),
                _is_readable(row),
            )
            for row in part
            if row.source in names
        ]
    return found


def _is_readable(row: Any) -> bool:
    return bool(row.wanted_registry) or row.wanted_model != UNREADABLE


def reasons_of(connection: Connection, view: View, rows: Sequence[Any]) -> dict[int, str]:
    """By edge, why it leads nowhere, where it is not just that nobody has what it wants."""
    found = {row.id: _mistake(row.wanted) for row in rows if not _is_readable(row)}
    found |= {
        row.id: "no version that is known has this address"
        for row in rows
        if not row.wanted_registry and _is_readable(row)
    }
    copies = [row for row in rows if row.relation == COPY and row.wanted_registry]
    return {**found, **_namesakes(connection, view, copies)} if copies else found


def _namesakes(connection: Connection, view: View, copies: Sequence[Any]) -> dict[int, str]:
    """By edge, why a copy is not made from what has the name of its source."""
    resolver, node = Resolver(connection, registry_names(connection)), tables.node.c
    found: dict[int, str] = {}
    for older, reason in (
        (False, "what is called so now is younger than the copy"),
        (True, "what is called so now has other files than the copy"),
    ):
        named = resolver.resolve(
            [StatedReference(readings_of(row), row.meant_at, older=older) for row in copies]
        )
        shown = select(node.id).where(node.id.in_({n for n in named if n}), view.clause(node.registry_id))
        seen = set(connection.execute(shown).scalars())
        found |= {row.id: reason for row, namesake in zip(copies, named, strict=True) if namesake in seen}
    return found


def _mistake(text: str) -> str:
    errors = parse_depends_on(text, "registry").errors
    return f"it cannot be read: expected {errors[0].expected}" if errors else "it cannot be read"

"""References that are not whole: what one without a registry may name, and how one that is being typed goes on."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, select

from federation import tables
from federation.access import View
from federation.catalogue import codec
from federation.catalogue.order import age
from federation.catalogue.reader import SUMMARY, newest_of
from federation.journal.entry import Action, EntryError, decode
from federation.references import STAGES, Reference, decode_part, encode_part
from federation.registry_names import find_registry

MOST = 20
"""References that are given."""
RENAMES = 500
"""So many of the newest renames of a registry are looked through."""
_registries, _models, _versions = tables.registry.c, tables.model.c, tables.version.c
_WHOLE = (_models.id, _models.body)


def namesakes(connection: Connection, view: View, wanted: Reference) -> list[Reference]:
    """The living references of any registry of the view that say the same of a model of the same name."""
    named = _living(view.clause(_registries.id), _models.name == encode_part(wanted.model), *_WHOLE)
    rows = [row for row in connection.execute(named) if _has(connection, row, wanted)]
    return [Reference(row.registry, wanted.model, wanted.version, wanted.alias, wanted.stage) for row in rows]


def renamed(connection: Connection, view: View, wanted: Reference) -> list[Reference]:
    """What says the same of a living model that had this name in its registry, the one that lost it last first."""
    registry_id = find_registry(connection, view, wanted.registry)
    entries = tables.journal.c
    told = (
        select(entries.entry)
        .where(entries.action == Action.MODEL_RENAMED, entries.registry_id == (registry_id or 0))
        .order_by(entries.seq.desc())
        .limit(RENAMES)
    )
    ids: dict[int, None] = {}
    for row in connection.execute(told):
        with suppress(EntryError):  # a damaged log is told by who verifies it: here it says nothing
            entry = decode(row.entry).entry
            if entry.before == {"name": wanted.model}:
                ids[entry.targets["model"]] = None
    named = _living(_registries.id == (registry_id or 0), _models.id.in_(ids), *_WHOLE)
    rows = {row.id: row for row in connection.execute(named) if _has(connection, row, wanted)}
    return [
        replace(wanted, registry=rows[id_].registry, model=decode_part(rows[id_].name))
        for id_ in ids
        if id_ in rows
    ]


def _living(registries: ColumnElement[bool], names: ColumnElement[bool], *columns: Any) -> Select[Any]:
    """Living models of some registries with some names, by registry and name, with these columns."""
    ids = select(_registries.id).where(registries).scalar_subquery()
    return (
        select(_registries.name.label("registry"), _models.name, *columns)
        .join(tables.registry, _registries.id == _models.registry_id)
        # With the registries first, so that the index by name is asked once for each of them.
        .where(_models.registry_id.in_(ids), names, _models.deleted_at.is_(None))
        .order_by(_registries.name, _models.name)
        .limit(MOST)
    )


def _has(connection: Connection, row: Any, wanted: Reference) -> bool:
    """Whether a model has what is wanted of it."""
    if wanted.alias is not None:
        return wanted.alias in codec.decode_model(row.body).aliases
    living = select(_versions.id).where(_versions.model_id == row.id, _versions.deleted_at.is_(None))
    if wanted.version is not None:
        living = living.where(_versions.version == encode_part(wanted.version))
    elif wanted.stage is not None:
        living = living.where(_versions.stage == wanted.stage)
    else:
        return True
    return connection.execute(living.limit(1)).first() is not None


def continued(connection: Connection, view: View, typed: str) -> list[str]:
    """How a reference that is being typed may go on: registries, models of one, then versions, aliases and stages.

    What is typed without a registry goes on in each that has a model of that name or beginning; all are given in whole.
    """
    registry, slash, rest = typed.partition("/")
    seen = view.clause(_registries.id)
    told: list[str] = []
    if slash and _sign(registry) is None:
        seen = and_(seen, _registries.name == registry)
    else:
        slash, rest = "", typed
        begun = select(_registries.name).where(seen, _registries.name.startswith(typed, autoescape=True))
        told = [f"{name}/" for name in connection.scalars(begun.order_by(_registries.name).limit(MOST))]
    end = _sign(rest)
    if end is not None:
        named = connection.execute(_living(seen, _models.name == rest[:end], *_WHOLE))
        parts = (one for row in named for one in _parts(connection, row, rest[end]))
        told = [text for text in map(str, parts) if text.partition("/")[2].startswith(rest)]
    elif slash or rest:
        begun = _living(seen, and_(_models.name >= rest, _models.name < f"{rest}\U0010ffff"))
        told += [str(Reference(row.registry, decode_part(row.name))) for row in connection.execute(begun)]
    return told[:MOST]


def _sign(text: str) -> int | None:
    """Where the name of a model ends in a text, if it does."""
    return next((place for place, sign in enumerate(text) if sign in ":@"), None)


def _parts(connection: Connection, row: Any, sign: str) -> Iterator[Reference]:
    """What a model has behind this sign."""
    model = Reference(row.registry, decode_part(row.name))
    if sign == "@":
        for alias in sorted(codec.decode_model(row.body).aliases):
            yield Reference(model.registry, model.model, alias=alias)
        for stage in STAGES:
            yield Reference(model.registry, model.model, stage=stage)
        return
    living: Select[object] = SUMMARY.where(_versions.model_id == row.id, _versions.deleted_at.is_(None))
    for one in sorted(connection.execute(living.where(newest_of(living, 200))), key=age, reverse=True):
        yield Reference(model.registry, model.model, version=decode_part(one.version))

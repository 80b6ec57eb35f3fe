"""References that are not whole: what one without a registry may name, and how one that is being typed goes on."""

from collections.abc import Iterator

from sqlalchemy import Connection, Select, select

from federation import tables
from federation.access import View
from federation.catalogue import codec
from federation.catalogue.order import age
from federation.catalogue.reader import SUMMARY, newest_of
from federation.references import STAGES, Reference, ReferenceSyntaxError, decode_part, encode_part

MOST = 20
"""References that are given."""
_registries, _models, _versions = tables.registry.c, tables.model.c, tables.version.c


def namesakes(connection: Connection, view: View, wanted: Reference) -> list[Reference]:
    """The living references of any registry of the view that say the same of a model of the same name."""
    registries = select(_registries.id).where(view.clause(_registries.id)).scalar_subquery()
    query = (
        select(_registries.name.label("registry"), _models.id, _models.body)
        .join(tables.registry, _registries.id == _models.registry_id)
        # With the registries first, so that the index by name is asked once for each of them.
        .where(_models.registry_id.in_(registries), _models.name == encode_part(wanted.model))
        .where(_models.deleted_at.is_(None))
        .order_by(_registries.name)
        .limit(MOST)
    )
    rows = [row for row in connection.execute(query) if _has(connection, row, wanted)]
    return [Reference(row.registry, wanted.model, wanted.version, wanted.alias, wanted.stage) for row in rows]


def _has(connection: Connection, row: object, wanted: Reference) -> bool:
    """Whether a model has what is wanted of it."""
    model_id, body = row.id, row.body  # type: ignore[attr-defined]
    if wanted.alias is not None:
        return wanted.alias in codec.decode_model(body).aliases
    living = select(_versions.id).where(_versions.model_id == model_id, _versions.deleted_at.is_(None))
    if wanted.version is not None:
        living = living.where(_versions.version == encode_part(wanted.version))
    elif wanted.stage is not None:
        living = living.where(_versions.stage == wanted.stage)
    else:
        return True
    return connection.execute(living.limit(1)).first() is not None


def continued(connection: Connection, view: View, typed: str) -> list[str]:
    """How a reference that is being typed may go on: registries, models of one, then versions, aliases and stages."""
    registry, slash, rest = typed.partition("/")
    names = select(_registries.id, _registries.name).where(view.clause(_registries.id))
    if not slash:
        begun = names.where(_registries.name.startswith(typed, autoescape=True)).order_by(_registries.name)
        return [f"{row.name}/" for row in connection.execute(begun.limit(MOST))]
    found = connection.execute(names.where(_registries.name == registry)).first()
    if found is None:
        return []
    end = next((place for place, sign in enumerate(rest) if sign in ":@"), None)
    if end is None:
        return [str(Reference(registry, name)) for name in _beginning(connection, found.id, rest)]
    try:
        model = Reference(registry, decode_part(rest[:end]))
    except (ReferenceSyntaxError, ValueError):
        return []
    told = map(str, _parts(connection, found.id, model, rest[end]))
    return [text for text in told if text.startswith(typed)][:MOST]


def _beginning(connection: Connection, registry_id: int, beginning: str) -> Iterator[str]:
    mine = select(_models.name).where(_models.registry_id == registry_id, _models.deleted_at.is_(None))
    begun = mine.where(_models.name >= beginning, _models.name < f"{beginning}\U0010ffff")
    for row in connection.execute(begun.order_by(_models.name).limit(MOST)):
        yield decode_part(row.name)


def _parts(connection: Connection, registry_id: int, model: Reference, sign: str) -> Iterator[Reference]:
    mine = select(_models.id, _models.body).where(
        _models.registry_id == registry_id,
        _models.name == encode_part(model.model),
        _models.deleted_at.is_(None),
    )
    row = connection.execute(mine).first()
    if row is None:
        return
    if sign == "@":
        for alias in sorted(codec.decode_model(row.body).aliases):
            yield Reference(model.registry, model.model, alias=alias)
        for stage in STAGES:
            yield Reference(model.registry, model.model, stage=stage)
        return
    living: Select[object] = SUMMARY.where(_versions.model_id == row.id, _versions.deleted_at.is_(None))
    for one in sorted(connection.execute(living.where(newest_of(living, 200))), key=age, reverse=True):
        yield Reference(model.registry, model.model, version=decode_part(one.version))

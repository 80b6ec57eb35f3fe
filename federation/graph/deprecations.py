"""Deprecations: what people say of a model that is to go: until when it stays, and what replaces it.

Nothing of it is written to the backend. It is shown with the model and with everything that needs it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Select, bindparam, insert, select, update

from federation import tables as spine
from federation.access import Permission, Principal, View
from federation.catalogue.reader import find_model
from federation.changes import Change
from federation.database import now
from federation.errors import DeniedError, InvalidRequestError, UnknownError
from federation.graph import tables
from federation.graph.resolve import registry_names
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.prepared import COMPILED, Statement, cursor_of, prepare
from federation.references import Reference, encode_part, parse

NOTE_LIMIT = 2000
_said, _models, _registries = tables.deprecation.c, spine.model.c, spine.registry.c


@dataclass(frozen=True, slots=True)
class Deprecation:
    """That a model is to go. `replacement` is empty where there is none, or none that the caller may see."""

    ref: str
    until: date
    replacement: str
    note: str
    said_by: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Going:
    """That a model is to go: the day until which it stays, what replaces it, and why."""

    until: date
    replacement: Reference | None = None
    note: str = ""


def refusals(
    connection: Connection, principal: Principal, refs: Collection[Reference], going: Going
) -> list[str]:
    """Why that may not be said of each of several models; empty where it may."""
    found = []
    for ref in refs:
        try:
            allow(connection, principal, ref, going)
            found.append("")
        except (UnknownError, DeniedError, InvalidRequestError) as refusal:
            found.append(str(refusal))
    return found


def allow(connection: Connection, principal: Principal, ref: Reference, going: Going) -> Any:
    """The model of which this may be said. Errors: `UnknownError`, `DeniedError`, `InvalidRequestError`."""
    row, instead = _model(connection, principal, ref), going.replacement
    if len(going.note) > NOTE_LIMIT:
        raise InvalidRequestError(f"the note has {len(going.note)} characters, at most {NOTE_LIMIT} are kept")
    if instead is not None and (instead.registry, instead.model) == (ref.registry, ref.model):
        raise InvalidRequestError("a model is not replaced by itself: name another one")
    return row


def deprecate(connection: Connection, principal: Principal, ref: Reference, going: Going) -> int:
    """Say that a model is to go; said again it replaces what was said. Returns the change's position. Errors: as
    `allow`.
    """
    row, note = allow(connection, principal, ref, going), going.note
    instead = "" if going.replacement is None else str(going.replacement)
    details = {"until": going.until.isoformat(), "replacement": instead}
    values = {**details, "note": note, "said_by": principal.id, "since": now()}
    of_it = update(tables.deprecation).where(_said.model_id == row.id)
    if not connection.execute(of_it.values(values)).rowcount:
        connection.execute(
            insert(tables.deprecation).values(model_id=row.id, registry_id=row.registry_id, **values)
        )
    return _tell(connection, Action.MODEL_DEPRECATED, principal, row, note, details)


def reinstate(connection: Connection, principal: Principal, ref: Reference) -> int:
    """Take back that a model is to go. Returns the change's position. Errors: `UnknownError`, `DeniedError`."""
    row = _model(connection, principal, ref)
    gone = tables.deprecation.delete().where(_said.model_id == row.id)
    if not connection.execute(gone).rowcount:
        raise UnknownError(f"{ref.registry}/{encode_part(ref.model)} is not deprecated")
    return _tell(connection, Action.MODEL_REINSTATED, principal, row, "", {})


def listed(connection: Connection, view: View) -> list[Deprecation]:
    """Every model of a view that is to go, the next one first."""
    query = _query(view).order_by(_said.until, _said.model_id)
    names = registry_names(connection)
    return [_deprecation(row, view, names) for row in connection.execute(query)]


def deprecated(connection: Connection, view: View, refs: Collection[str]) -> dict[str, Deprecation]:
    """Which of the models that these references are of, or of versions of, are to go; by reference."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for text in refs:
        ref = parse(text)
        wanted.setdefault((ref.registry, encode_part(ref.model)), []).append(text)
    found: dict[str, Deprecation] = {}
    names: dict[str, int] = {}
    cursor, statement = cursor_of(connection), _of_model(connection.dialect, view)
    for (registry, model), texts in wanted.items():
        for row in statement.rows(cursor, {"registry": registry, "model": model}):
            names = names or registry_names(connection)
            found |= dict.fromkeys(texts, _deprecation(row, view, names))
    return found


def said_query(view: View) -> Select[Any]:
    """What is said of the model of a `registry` and a `model`, as they stand in a reference."""
    called = (_registries.name == bindparam("registry", ""), _models.name == bindparam("model", ""))
    return _query(view).where(*called)


@lru_cache(COMPILED)
def _of_model(dialect: Dialect, view: View) -> Statement:
    return prepare(dialect, said_query(view))


def _query(view: View) -> Select[Any]:
    return (
        select(tables.deprecation, _registries.name.label("registry"), _models.name.label("model"))
        .join(spine.model, _models.id == _said.model_id)
        .join(spine.registry, _registries.id == _said.registry_id)
        .where(view.clause(_said.registry_id), _models.deleted_at.is_(None))
    )


def _deprecation(row: Any, view: View, names: Mapping[str, int]) -> Deprecation:
    registry_id = names.get(parse(row.replacement).registry) if row.replacement else None
    seen = registry_id is not None and view.sees(registry_id)
    return Deprecation(
        f"{row.registry}/{row.model}", date.fromisoformat(row.until), row.replacement if seen else "", row.note,
        row.said_by, row.since,
    )  # fmt: skip


def _model(connection: Connection, principal: Principal, ref: Reference) -> Any:
    if (ref.version, ref.alias, ref.stage) != (None, None, None):
        raise InvalidRequestError("a whole model is deprecated: name it without version or alias")
    row = find_model(connection, principal.view, ref, now())
    if row is None:
        raise UnknownError()
    principal.require(Permission.CHANGE, row.registry_id, f"registry {row.registry}")
    return row


def _tell(
    connection: Connection,
    action: Action,
    principal: Principal,
    row: Any,
    note: str,
    details: Mapping[str, str],
) -> int:
    batch = Batch()
    entry = Entry(
        action=action,
        actor=principal.id,
        ref=f"{row.registry}/{row.name}",
        registry=row.registry,
        targets={"model": row.id},
        details=details,
        commitments=batch.withhold({"note": note or None}, subject=principal.id),
    )
    batch.record(entry, row.registry_id)
    batch.change(Change("model", row.id, row.registry_id))
    return batch.append(connection)

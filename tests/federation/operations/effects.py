"""What differs of a model once a write was made, as the catalogue and its references show it; and what a plan says."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, select

from federation import tables
from federation.access import EVERYTHING
from federation.catalogue import codec
from federation.catalogue.reader import read_version
from federation.database import reading
from federation.errors import WaypostError
from federation.operations.plans import Plan
from federation.operations.state import NEW
from federation.references import Reference, decode_part
from federation.stages import NATIVE

Facts = dict[tuple[str, str], Any]
"""By reference and what is said of it."""
STAGES = ("production", "staging", "archived")
OF_THE_ADAPTER = ("tag:waypost.token",)
"""What an adapter writes to recognise a registration."""


def facts(engine: Engine, model: Reference) -> Facts:
    """Everything of a model that a write may change."""
    found: Facts = {}
    with reading(engine) as connection:
        models = select(tables.model).join(
            tables.registry, tables.registry.c.id == tables.model.c.registry_id
        )
        here = models.where(tables.registry.c.name == model.registry, tables.model.c.deleted_at.is_(None))
        rows = [row for row in connection.execute(here) if decode_part(row.name) == model.model]
        for row in rows:
            record = codec.decode_model(row.body)
            found[str(model), "is there"] = True
            found |= {(str(model), f"alias:{name}"): value for name, value in record.aliases.items()}
            found |= {(str(model), f"tag:{name}"): value for name, value in record.tags.items()}
            versions = tables.version.c
            living = select(tables.version).where(versions.model_id == row.id, versions.deleted_at.is_(None))
            for version in connection.execute(living):
                found |= _of_version(model, version)
            for alias in record.aliases:
                found[f"{model}@{alias}", "means"] = _meant(
                    connection, Reference(model.registry, model.model, alias=alias)
                )
        for stage in STAGES:
            found[f"{model}@stage:{stage}", "means"] = _meant(
                connection, Reference(model.registry, model.model, stage=stage)
            )
        found[str(model), "means"] = _meant(connection, model)
    return {key: value for key, value in found.items() if value is not None}


def _of_version(model: Reference, row: Any) -> Facts:
    record = codec.decode_version(row.body)
    ref = str(Reference(model.registry, model.model, record.version))
    found: Facts = {(ref, "is there"): True, (ref, "normalised"): (row.stage, row.stage_reason)}
    found |= {(ref, f"tag:{name}"): value for name, value in record.tags.items()}
    return found | {(ref, name): getattr(record, name) for name in NATIVE}


def _meant(connection: Any, ref: Reference) -> str | None:
    try:
        return str(read_version(connection, EVERYTHING, ref).reference)
    except WaypostError:
        return None


def differing(before: Facts, after: Facts) -> dict[tuple[str, str], tuple[Any, Any]]:
    """What differs: before and after, None where it is not there. Of what goes only that, and its stage."""
    gone = {ref for ref, said in before if said == "is there" and (ref, said) not in after}
    return {
        key: (before.get(key), after.get(key))
        for key in {**before, **after}
        if before.get(key) != after.get(key)
        and key[1] not in OF_THE_ADAPTER
        and not (key[0] in gone and key[1] not in ("is there", "normalised", "means"))
    }


def told(plan: Plan, made: str = "") -> dict[tuple[str, str], tuple[Any, Any]]:
    """What a plan says will differ, in the same form. `made` is what the new version came to be called."""

    def named(ref: str | None) -> str | None:
        return made if ref is not None and ref.endswith(NEW) else ref

    found: dict[tuple[str, str], tuple[Any, Any]] = {}
    for step in plan.steps:
        difference = step.difference
        found |= {(ref, "is there"): (True, None) for ref in difference.deleted}
        found |= {(str(named(ref)), "is there"): (None, True) for ref in difference.made}
        for field in difference.fields:
            key = (str(named(field.ref)), field.field)
            after = made.rpartition(":")[2] if field.after == NEW else field.after
            found[key] = (found.get(key, (field.before, None))[0], after)
    for stage in plan.stages:
        was = None if stage.before is None else (stage.before, stage.before_reason)
        becomes = None if stage.after is None else (stage.after, stage.after_reason)
        found[str(named(stage.ref)), "normalised"] = (was, becomes)
    for meaning in plan.meanings:
        found[meaning.ref, "means"] = (meaning.before, named(meaning.after))
    return {key: value for key, value in found.items() if value[0] != value[1]}


def mistakes(plan: Plan, before: Facts, after: Facts, made: str = "") -> Mapping[tuple[str, str], Any]:
    """Where a plan and what it did are not the same: what was told, and what happened."""
    said, did = told(plan, made), differing(before, after)
    if any("native stage the registry gives a new version is not known" in note for note in plan.notes):
        unknown = {(made, name) for name in NATIVE}
        said, did = ({key: one[key] for key in one.keys() - unknown} for one in (said, did))
    return {key: (said.get(key), did.get(key)) for key in {**said, **did} if said.get(key) != did.get(key)}

"""From what a principal asks for to an intent: who may, whether it can be, and how the backend is asked for it.

Everything here reads; what is refused was never written down, and no backend was called.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from adapters import Capability, Key
from federation.access import Permission, Principal
from federation.catalogue.lookup import find_or_read_version
from federation.catalogue.models import read_model
from federation.database import now
from federation.errors import GoneError, InvalidRequestError, UnknownError
from federation.operations.admission import (
    Place,
    Places,
    check_match,
    check_text,
    decides_stage,
    place_of,
    through_rule,
)
from federation.operations.intent import Intent
from federation.operations.wanted import Delete, Register, SetAlias, SetTags
from federation.references import NAME_LIMIT, Reference
from federation.registries.states import read_registries

Ask = Callable[[Connection, Principal, Places], Intent]
"""Reads what is needed and gives the intent. Errors: every branch of `WaypostError`."""


def stage(reference: Reference, wanted: str, match: Sequence[str]) -> Ask:
    """Give a version a normalised stage, by the first rule of its registry that can be written."""

    def ask(connection: Connection, principal: Principal, places: Places) -> Intent:
        _check_selector(reference)
        version = find_or_read_version(connection, principal.view, reference)
        principal.require(Permission.CHANGE, version.registry_id, f"registry {version.registry}")
        place = place_of(connection, version.registry_id, places)
        _, write = through_rule(place, version, wanted)
        etag = check_match(match, version.record.etag)
        on_model = isinstance(write, SetAlias)
        if etag is not None and on_model:
            etag = version.model_record.etag
        return Intent(
            registry_id=version.registry_id,
            registry=version.registry,
            ref=version.reference,
            wanted=write,
            target=version.model_record.key if on_model else version.record.key,
            target_id=version.model_id if on_model else version.id,
            etag=etag,
        )

    return ask


def alias(reference: Reference, name: str, version: str | None, match: Sequence[str]) -> Ask:
    """Point an alias of a model at a version of it, or (None) take it away."""

    def ask(connection: Connection, principal: Principal, places: Places) -> Intent:
        check_text({name: version})
        model = read_model(connection, principal.view, reference, newest=0)
        principal.require(Permission.CHANGE, model.registry_id, f"registry {model.registry}")
        place = place_of(connection, model.registry_id, places)
        place.require(Capability.SET_ALIAS)
        if not name or len(name) > NAME_LIMIT:
            raise InvalidRequestError(f"an alias has 1 to {NAME_LIMIT} characters")
        if version is not None:
            named = Reference(model.registry, model.record.name, version=version)
            find_or_read_version(connection, principal.view, named)
        return Intent(
            registry_id=model.registry_id,
            registry=model.registry,
            ref=Reference(model.registry, model.record.name, alias=name),
            wanted=SetAlias(name, version),
            target=model.record.key,
            target_id=model.id,
            etag=check_match(match, model.record.etag),
        )

    return ask


def tags(reference: Reference, values: Mapping[str, str | None], match: Sequence[str]) -> Ask:
    """Set tags of a version, or of a model where the reference names no version; None removes one."""

    def ask(connection: Connection, principal: Principal, places: Places) -> Intent:
        check_text(values)
        if not values or not all(values):
            raise InvalidRequestError("give at least one tag, and each a name")
        if _names_a_model(reference):
            model = read_model(connection, principal.view, reference, newest=0)
            registry_id, registry, target_id = model.registry_id, model.registry, model.id
            ref, key, etag = model.reference, model.record.key, model.record.etag
        else:
            version = find_or_read_version(connection, principal.view, reference)
            registry_id, registry, target_id = version.registry_id, version.registry, version.id
            ref, key, etag = version.reference, version.record.key, version.record.etag
        principal.require(Permission.TAG, registry_id, f"registry {registry}")
        place = place_of(connection, registry_id, places)
        place.require(Capability.SET_TAGS)
        if decides_stage(place, values):
            principal.require(
                Permission.CHANGE, registry_id, f"the tags of registry {registry} that decide stages"
            )
        return Intent(
            registry_id=registry_id,
            registry=registry,
            ref=ref,
            wanted=SetTags(dict(values)),
            target=key,
            target_id=target_id,
            etag=check_match(match, etag),
        )

    return ask


def register(registry: str, wanted: Register) -> Ask:
    """Create a version, and its model where there is none."""

    def ask(connection: Connection, principal: Principal, places: Places) -> Intent:
        place = _place(connection, principal, registry, places)
        place.require(Capability.REGISTER)
        check_text({wanted.model: wanted.source, wanted.run_id or "": wanted.description, **wanted.tags})
        if decides_stage(place, wanted.tags):
            where = f"the tags of registry {registry} that decide stages"
            principal.require(Permission.CHANGE, place.row.id, where)
        ref = Reference(place.row.name, wanted.model)
        try:
            model = read_model(connection, principal.view, ref, newest=0)
        except (UnknownError, GoneError):
            model = None
        return Intent(
            registry_id=place.row.id,
            registry=place.row.name,
            ref=ref,
            wanted=wanted,
            target=_named(wanted.model),
            target_id=None if model is None else model.id,
        )

    return ask


def delete(reference: Reference, match: Sequence[str], *, whole_model: bool) -> Ask:
    """Delete the one version that a reference names by its number, or a whole model."""

    def ask(connection: Connection, principal: Principal, places: Places) -> Intent:
        if whole_model != _names_a_model(reference) or (reference.version is None and not whole_model):
            wanted = (
                "the model itself (registry/model)" if whole_model else "one version (registry/model:version)"
            )
            raise InvalidRequestError(f"a delete names {wanted}")
        if whole_model:
            model = read_model(connection, principal.view, reference, newest=0)
            registry_id, registry, target_id = model.registry_id, model.registry, model.id
            ref, record = model.reference, model.record
        else:
            version = find_or_read_version(connection, principal.view, reference)
            registry_id, registry, target_id = version.registry_id, version.registry, version.id
            ref, record = version.reference, version.record  # type: ignore[assignment]
        principal.require(Permission.DELETE, registry_id, f"registry {registry}")
        place_of(connection, registry_id, places).require(Capability.DELETE)
        return Intent(
            registry_id=registry_id,
            registry=registry,
            ref=ref,
            wanted=Delete(),
            target=record.key,
            target_id=target_id,
            etag=check_match(match, record.etag),
        )

    return ask


def _place(connection: Connection, principal: Principal, registry: str, places: Places) -> Place:
    state = read_registries(connection, principal.view, now(), name=registry)[0]
    principal.require(Permission.REGISTER, state.id, f"registry {state.name}")
    return place_of(connection, state.id, places)


def _named(model: str) -> Key:
    """The target of a registration, which has no key yet."""
    return Key("model", model)


def _names_a_model(reference: Reference) -> bool:
    return reference.version is reference.alias is reference.stage is None


def _check_selector(reference: Reference) -> None:
    if _names_a_model(reference):
        raise InvalidRequestError("say which version: registry/model:version, …@alias or …@stage:production")

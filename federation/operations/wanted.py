"""The kinds of writes: what each wants of a backend, who may ask for it, what a record is afterwards, and what takes
it back. A new kind is a class and its lines in here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from adapters import (
    Adapter,
    Capability,
    EndpointRecord,
    Key,
    ModelRecord,
    NewModel,
    Record,
    Registration,
    StageField,
    VersionRecord,
)
from federation.access import Permission
from federation.errors import InvalidRequestError
from federation.references import NAME_LIMIT
from federation.stages import NATIVE


class SetStage(msgspec.Struct, frozen=True, tag_field="kind", tag="set_stage"):
    """Write one native notion of a version's stage."""

    field: StageField
    value: str


class SetAlias(msgspec.Struct, frozen=True, tag_field="kind", tag="set_alias"):
    """Point a model's alias at a version, or (None) take it away."""

    alias: str
    version: str | None


class SetTags(msgspec.Struct, frozen=True, tag_field="kind", tag="set_tags"):
    """Set tags of a model or version; None removes one, tags not named stay."""

    tags: Mapping[str, str | None]


class Register(msgspec.Struct, frozen=True, tag_field="kind", tag="register"):
    """Create a version, and its model where there is none."""

    model: str
    source: str
    run_id: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = {}
    run_link: str | None = None


class CreateModel(msgspec.Struct, frozen=True, tag_field="kind", tag="create_model"):
    """Create a model that has no version yet."""

    model: str
    description: str | None = None
    tags: Mapping[str, str] = {}


class Rename(msgspec.Struct, frozen=True, tag_field="kind", tag="rename"):
    """Give a model another name."""

    name: str


class Describe(msgspec.Struct, frozen=True, tag_field="kind", tag="describe"):
    """Write the description of a model or version; None takes it away."""

    text: str | None


class Delete(msgspec.Struct, frozen=True, tag_field="kind", tag="delete"):
    """Delete a version or a model."""


class SetTraffic(msgspec.Struct, frozen=True, tag_field="kind", tag="set_traffic"):
    """Share an endpoint's traffic, in percent, among the versions that it holds, by their native ids."""

    shares: Mapping[str, float]


Wanted = SetStage | SetAlias | SetTags | Register | CreateModel | Rename | Describe | Delete | SetTraffic
Makes = Register | CreateModel
"""What makes something that is not there yet."""
Repeated = Register | CreateModel | Rename
"""What a backend is asked for again to learn what became of it: its adapter knows a repetition."""
CAPABILITIES: Mapping[type, Capability] = {
    SetStage: Capability.SET_STAGE,
    SetAlias: Capability.SET_ALIAS,
    SetTags: Capability.SET_TAGS,
    Register: Capability.REGISTER,
    CreateModel: Capability.CREATE_MODEL,
    Rename: Capability.RENAME,
    Describe: Capability.DESCRIBE,
    Delete: Capability.DELETE,
    SetTraffic: Capability.SET_TRAFFIC,
}
PERMISSIONS: Mapping[type, Permission] = {
    SetStage: Permission.CHANGE,
    SetAlias: Permission.CHANGE,
    SetTags: Permission.TAG,
    Register: Permission.REGISTER,
    CreateModel: Permission.REGISTER,
    Rename: Permission.CHANGE,
    Describe: Permission.TAG,
    Delete: Permission.DELETE,
    SetTraffic: Permission.CHANGE,
}
MOST_SHOWN = 20
_encoder = msgspec.json.Encoder(order="deterministic")
_decoder: msgspec.json.Decoder[Wanted] = msgspec.json.Decoder(Wanted)


def to_json(wanted: Wanted) -> str:
    """As it is stored."""
    return _encoder.encode(wanted).decode()


def from_json(text: str) -> Wanted:
    """What `to_json` wrote."""
    return _decoder.decode(text)


def kind_of(wanted: Wanted) -> str:
    """The word for it: the name of the capability that it takes."""
    return CAPABILITIES[type(wanted)].value


def told(wanted: Wanted) -> tuple[dict[str, Any], dict[str, str]]:
    """For the journal: what may stand in an entry, and what is free text and is only committed to."""
    match wanted:
        case SetStage():
            return {"field": wanted.field, "value": wanted.value}, {}
        case SetAlias():
            return {"alias": wanted.alias, "version": wanted.version}, {}
        case SetTags():
            return {"tags": sorted(wanted.tags)}, {"values": _encoder.encode(wanted.tags).decode()}
        case Register():
            return {"model": wanted.model}, {"registration": to_json(wanted)}
        case CreateModel():
            return {"model": wanted.model}, {"model": to_json(wanted)}
        case Rename():
            return {"name": wanted.name}, {}
        case Describe():
            return {}, {"text": wanted.text} if wanted.text else {}
        case SetTraffic():
            return {"shares": aim(wanted)}, {}
        case Delete():
            return {}, {}


def aim(wanted: Wanted) -> dict[str, str | None]:
    """The values it writes, by name; what creates or deletes writes none."""
    match wanted:
        case SetStage():
            return {wanted.field: wanted.value}
        case SetAlias():
            return {wanted.alias: wanted.version}
        case SetTags():
            return dict(wanted.tags)
        case SetTraffic():
            return {native: _percent(share) for native, share in wanted.shares.items()}
        case Rename():
            return {"name": wanted.name}
        case Describe():
            return {"description": wanted.text or None}
        case Register() | CreateModel() | Delete():
            return {}


def held(wanted: Wanted, record: Record) -> dict[str, str | None]:
    """What a record holds now under the names of `aim`."""
    match wanted:
        case SetStage():
            return {wanted.field: getattr(record, wanted.field, None)}
        case SetAlias():
            return {wanted.alias: getattr(record, "aliases", {}).get(wanted.alias)}
        case SetTags():
            tags = getattr(record, "tags", {})
            return {name: tags.get(name) for name in wanted.tags}
        case SetTraffic():
            there = {one.version.native_id: one.percent for one in getattr(record, "traffic", ())}
            return {native: _percent(there.get(native, 0.0)) for native in wanted.shares}
        case Rename() | Describe():
            return {name: getattr(record, name, None) or None for name in aim(wanted)}
        case Register() | CreateModel() | Delete():
            return {}


def _percent(share: float) -> str:
    """As it is compared: backends round."""
    return f"{share:.3f}"


def holds(wanted: Wanted, record: Record) -> bool:
    """Whether a record is as wanted. For what creates or deletes, no record that is there can be."""
    return not isinstance(wanted, Makes | Delete) and held(wanted, record) == aim(wanted)


def overwritten(wanted: Wanted, before: Mapping[str, str | None], record: Record) -> bool:
    """Whether somebody else wrote: a value is neither what it was before nor what is wanted."""
    goal = aim(wanted)
    return any(value not in (before.get(name), goal[name]) for name, value in held(wanted, record).items())


def writable(record: Record) -> dict[str, str]:
    """Everything of a record that some kind of write changes, as a plan calls it."""
    found = {f"tag:{name}": value for name, value in getattr(record, "tags", {}).items()}
    found |= {f"alias:{name}": value for name, value in getattr(record, "aliases", {}).items()}
    native = {name: getattr(record, name, None) or None for name in (*NATIVE, "description")}
    return found | {name: value for name, value in native.items() if value is not None}


def put(wanted: Wanted, record: Record, values: Mapping[str, str | None]) -> Record:
    """The record with values under the names of `aim`; None takes one away."""
    match wanted:
        case SetStage() if isinstance(record, VersionRecord) and values:
            stage: Any = values
            return replace(record, **stage)
        case SetAlias() if isinstance(record, ModelRecord):
            return replace(record, aliases=merged(record.aliases, values))
        case SetTags() if isinstance(record, ModelRecord | VersionRecord):
            return replace(record, tags=merged(record.tags, values))
        case Rename() | Describe() if isinstance(record, ModelRecord | VersionRecord):
            said: Any = values
            return replace(record, **said)
        case SetTraffic() if isinstance(record, EndpointRecord):
            shares = {native: float(share or 0) for native, share in values.items()}
            traffic = (
                replace(one, percent=shares.get(one.version.native_id, one.percent)) for one in record.traffic
            )
            return replace(record, traffic=tuple(traffic))
        case _:
            return record


def without(wanted: Wanted, record: Record, before: Mapping[str, str | None]) -> Record:
    """The record as it would be had the operation not written: what stood there `before` in place of what it wanted
    and the record holds.
    """
    goal = aim(wanted)
    ours = {name: before.get(name) for name, value in held(wanted, record).items() if value == goal[name]}
    return put(wanted, record, ours)


def reverse(wanted: Wanted, before: Mapping[str, str | None]) -> Wanted | None:
    """What puts back what stood there `before`, under the names of `aim`; None where nothing can."""
    match wanted:
        case SetStage() if (value := before.get(wanted.field)) is not None:
            return SetStage(wanted.field, value)
        case SetAlias():
            return SetAlias(wanted.alias, before.get(wanted.alias))
        case SetTags():
            return SetTags({name: before.get(name) for name in wanted.tags})
        case SetTraffic() if before:
            return SetTraffic({native: float(share or 0) for native, share in before.items()})
        case Rename() if name := before.get("name"):
            return Rename(name)
        case Describe():
            return Describe(before.get("description"))
        case Register() | CreateModel():
            return Delete()
        case _:
            return None


def check(wanted: Wanted) -> None:
    """Errors: `InvalidRequestError` for values that no database, journal or backend can hold."""
    match wanted:
        case SetAlias():
            check_text({wanted.alias: wanted.version})
            if not wanted.alias or len(wanted.alias) > NAME_LIMIT:
                raise InvalidRequestError(f"an alias has 1 to {NAME_LIMIT} characters")
        case SetTags():
            check_text(wanted.tags)
            if not wanted.tags or not all(wanted.tags):
                raise InvalidRequestError("give at least one tag, and each a name")
        case Register():
            check_text({wanted.model: wanted.source, wanted.run_id or "": wanted.description, **wanted.tags})
        case CreateModel():
            check_text({wanted.model: wanted.description, **wanted.tags})
        case Rename():
            check_text({wanted.name: None})
        case Describe():
            check_text({"description": wanted.text})
        case SetStage() | Delete() | SetTraffic():
            pass


def check_text(values: Mapping[str, str | None]) -> None:
    """Errors: `InvalidRequestError` for text that no database, journal or backend can hold."""
    for name, value in values.items():
        for text in (name, value or ""):
            if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
                raise InvalidRequestError(f"{name!a} holds U+0000 or half a character: leave that out")


def merged(values: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Values with changes made; None takes one away."""
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


def parts(wanted: Wanted, before: Mapping[str, str | None], record: Record) -> tuple[list[str], list[str]]:
    """The names it writes that a record holds as wanted and did not before, and those that it does not hold."""
    goal, there = aim(wanted), held(wanted, record)
    made = [name for name, value in goal.items() if there[name] == value != before.get(name)]
    return made, [name for name, value in goal.items() if there[name] != value]


def shown(names: Sequence[str]) -> str:
    """Names for a message: the first ones, and how many more."""
    first = ", ".join(names[:MOST_SHOWN])
    return first if len(names) <= MOST_SHOWN else f"{first} and {len(names) - MOST_SHOWN} more"


def send(
    adapter: Adapter, key: Key, wanted: Wanted, etag: str | None, token: str
) -> Record | Sequence[Record] | None:
    """Ask the backend for it; the record as read back, of a rename all that have new keys, None after a delete. Errors:
    `AdapterError`.
    """
    match wanted:
        case SetStage():
            return adapter.set_stage(key, wanted.field, wanted.value, etag=etag)
        case SetAlias():
            return adapter.set_alias(key, wanted.alias, wanted.version, etag=etag)
        case SetTags():
            return adapter.set_tags(key, wanted.tags, etag=etag)
        case SetTraffic():
            shares = {Key("version", native): share for native, share in wanted.shares.items()}
            return adapter.set_traffic(key, shares, etag=etag)
        case Register():
            return adapter.register(
                Registration(
                    model=wanted.model,
                    source=wanted.source,
                    run_id=wanted.run_id,
                    description=wanted.description,
                    tags=wanted.tags,
                    token=token,
                    run_link=wanted.run_link,
                )
            )
        case CreateModel():
            return adapter.create_model(
                NewModel(name=wanted.model, description=wanted.description, tags=wanted.tags, token=token)
            )
        case Rename():
            return adapter.rename(key, wanted.name, etag=etag)
        case Describe():
            return adapter.describe(key, wanted.text, etag=etag)
        case Delete():
            adapter.delete(key, etag=etag)
            return None

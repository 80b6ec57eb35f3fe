"""Taking records into a catalogue at times of the test's choosing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select

from adapters import Key, ModelRecord, Record, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import writing
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.stages import parse_rules

MODEL = Key("model", "m")
RULES = {"production": ["alias:champion"], "staging": [], "archived": []}


def registered(engine: Engine, name: str = "fraud", team: str = "risk") -> int:
    """A registry's id."""
    with writing(engine) as connection:
        configured.apply(connection, [RegistrySpec(name=name, kind="memory", team=team)])
        query = select(tables.registry.c.id).where(tables.registry.c.name == name)
        return int(connection.execute(query).scalar_one())


def take(
    engine: Engine, registry_id: int, records: list[Record], by: datetime, after: datetime | None = None
) -> None:
    """What a sync at `by` saw, the one before having been at `after`."""
    with writing(engine) as connection:
        origin = Origin(registry_id, "fraud", parse_rules(RULES, {}), by, after)
        writer = CatalogueWriter(connection, origin)
        writer.write([codec.encode(record) for record in records])
        writer.batch.append(connection)


def model(aliases: Mapping[str, str], **more: Any) -> ModelRecord:
    """The one model, with these aliases."""
    return ModelRecord(key=MODEL, name="scorer", aliases=aliases, **more)


def version(number: int, **more: Any) -> VersionRecord:
    """One of its versions."""
    return VersionRecord(key=Key("version", f"v{number}"), model=MODEL, version=str(number), **more)

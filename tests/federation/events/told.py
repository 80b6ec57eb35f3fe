"""A database of two registries, what is written to them, and the events that come of it."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, select

from adapters import Key, ModelRecord, VersionRecord
from federation import tables
from federation.access import EVERYTHING, View
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, writing
from federation.events.events import Events, Selected
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.stages import parse_rules

RULES = parse_rules({"production": ["alias:champion"], "archived": ["alias:retired"]}, {})
CHURN, OTHER, LIVE = Key("model", "c"), Key("model", "o"), Key("endpoint", "e")
ANY = Selected()


def model(key: Key, name: str, **aliases: str) -> ModelRecord:
    return ModelRecord(key=key, name=name, aliases=aliases)


def registry(name: str, team: str) -> RegistrySpec:
    return RegistrySpec(name=name, kind="memory", team=team)


def version(of: Key, number: str) -> VersionRecord:
    return VersionRecord(key=Key("version", f"{of.native_id}{number}"), model=of, version=number)


class ToldFeed:
    """A database of two registries, what is written to them, and the feed."""

    def __init__(self, engine: Engine, **more: Any) -> None:
        self.engine, self.events = engine, Events(engine, **more)
        self.recorder = self.events.recorder()
        with writing(engine) as connection:
            configured.apply(connection, [registry("fraud", "risk"), registry("secret", "hidden")])
            known = tables.registry.c
            self.ids: dict[str, int] = {
                row.name: row.id for row in connection.execute(select(known.name, known.id))
            }

    def write(self, registry: str, *records: Any) -> None:
        """Take records in, as a sync would."""
        with writing(self.engine) as connection:
            origin = Origin(self.ids[registry], registry, RULES, now())
            writer = CatalogueWriter(connection, replace(origin, importing=False))
            writer.write([codec.encode(record) for record in records])
            writer.batch.append(connection)

    def follow(self) -> None:
        while self.recorder.step():
            pass

    def all(self, view: View = EVERYTHING, wanted: Selected = ANY, limit: int = 3) -> list[Any]:
        """Everything from the start, page by page."""
        found: list[Any] = []
        after: str | None = None
        while (page := self.events.page(view, wanted, after, limit)).events:
            found += page.events
            after = page.next_after
        return found

"""Registries with records, written into a real catalogue the way a synchronisation writes them, and their graph."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select, update

from adapters import EndpointRecord, Key, Kind, ModelRecord, Record, Traffic, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.changes import Change
from federation.database import now, open_engine, writing
from federation.graph.follower import GraphFollower
from federation.graph.graph import Graph
from federation.journal.log import Batch
from federation.registries import configured
from federation.registries.configured import EMPTY
from federation.stages import parse_rule
from tests.servers import blank

RULES = {
    "production": [parse_rule("stage:Production")],
    "staging": [parse_rule("stage:Staging")],
    "archived": [parse_rule("stage:Archived")],
}
START = datetime(2026, 1, 1, tzinfo=UTC)


class Estate:
    """Some registries on one database. `settle` lets the graph catch up."""

    def __init__(self, folder: Path, engine: Engine | None = None, files: str = "graph") -> None:
        if engine is None:
            engine = open_engine(blank.sqlite(folder / "waypost.db"))
        self.engine = engine
        self.folder = folder / files
        self.folder.parent.mkdir(exist_ok=True)
        self.follower = GraphFollower(self.engine, self.folder)
        self.graph = Graph(self.engine, self.folder)
        self.ids: dict[str, int] = {}
        self._made = 0

    def join(self, name: str, team: str, former: Iterable[str] = ()) -> int:
        """A registry joins, freshly synchronised."""
        values = {**EMPTY, "name": name, "kind": "memory", "team": team, "config": {}, "sync_every": 0.0}
        values |= {"full_every": 3600.0, "writable": False, "stages": {}, "former_names": list(former)}
        with writing(self.engine) as connection:
            query = insert(tables.registry).values(**values, generation=1, last_success_at=now())
            registry = int(connection.execute(query.returning(tables.registry.c.id)).scalar_one())
            self._tell(connection, Change("registry", registry, registry))
        self.ids[name] = registry
        return registry

    def rename(self, old: str, new: str) -> None:
        registry = self.ids.pop(old)
        with writing(self.engine) as connection:
            change = update(tables.registry).where(tables.registry.c.id == registry)
            connection.execute(change.values(name=new, former_names=[old]))
            self._tell(connection, Change("registry", registry, registry))
        self.ids[new] = registry

    def forget(self, name: str) -> None:
        """A registry that left the configuration is forgotten."""
        with writing(self.engine) as connection:
            values = {"detached_at": now()}
            connection.execute(update(tables.registry).where(tables.registry.c.name == name).values(values))
            configured.forget(connection, name)
        del self.ids[name]

    def _tell(self, connection: Any, change: Change) -> None:
        batch = Batch()
        batch.change(change)
        batch.append(connection)

    def put(self, registry: str, *records: Record) -> None:
        """What a synchronisation does with records that are new or changed."""
        with writing(self.engine) as connection:
            writer = CatalogueWriter(connection, self._origin(registry))
            writer.write([codec.encode(record) for record in records])
            assert not writer.orphans
            writer.batch.append(connection)

    def drop(self, registry: str, kind: Kind, key: Key) -> None:
        """What a synchronisation does with a record that is gone."""
        target = {"model": tables.model, "version": tables.version, "endpoint": tables.endpoint}[kind]
        with writing(self.engine) as connection:
            query = select(target.c.id).where(
                target.c.registry_id == self.ids[registry], target.c.native_id == key.native_id
            )
            writer = CatalogueWriter(connection, self._origin(registry))
            writer.delete(kind, connection.execute(query).scalars().all())
            writer.batch.append(connection)

    def _origin(self, registry: str) -> Origin:
        return Origin(self.ids[registry], registry, RULES, now())

    def settle(self) -> None:
        while self.follower.step():
            pass

    # Records

    def time(self) -> datetime:
        """A later moment than any before: what is created now."""
        self._made += 1
        return START + timedelta(minutes=self._made)

    def model(self, name: str, **fields: Any) -> ModelRecord:
        time = self.time()
        return ModelRecord(
            key=Key("model", f"{name}#{time.isoformat()}"), name=name, created_at=time, **fields
        )

    def version(self, model: ModelRecord, version: str, **fields: Any) -> VersionRecord:
        time = self.time()
        key = Key("version", f"{model.key.native_id}:{version}#{time.isoformat()}")
        return VersionRecord(key=key, model=model.key, version=version, created_at=time, **fields)

    def endpoint(self, name: str, *serves: VersionRecord) -> EndpointRecord:
        traffic = tuple(Traffic(version.key, 100 / len(serves)) for version in serves)
        return EndpointRecord(key=Key("endpoint", name), name=name, traffic=traffic)

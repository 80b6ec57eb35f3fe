"""Backends of paper (see `plugins/paper.py`), what the catalogue says of them, and the processes that read them."""

import json
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from adapters import discover
from adapters.memory import MemoryBackend
from federation import tables
from federation.catalogue import codec
from federation.database import reading, writing
from federation.leases import Leases
from federation.registries.connections import Connections
from federation.sync import schedule
from federation.sync.context import SyncContext
from gateway.processes import WorkerProcess
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.federation.sync.world import World
from tests.patience import until
from tests.servers import blank

PLUGINS = Path(__file__).with_name("plugins")
STAGES = ("None", "Staging", "Production")


@dataclass
class Paper:
    """One backend on paper."""

    folder: Path
    models: dict[str, Any] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write()

    def write(self) -> None:
        """Put the models on paper, all at once."""
        draft = self.folder / "draft"
        draft.write_text(json.dumps(self.models))
        draft.replace(self.folder / "backend.json")

    def add(self, name: str, versions: int = 1) -> None:
        """Another model."""
        numbers = range(1, versions + 1)
        self.models[name] = {
            "id": f"{name}#{next(self._ids)}",
            "aliases": {"champion": "1"},
            "versions": {str(number): "None" for number in numbers},
        }
        self.write()

    def change(self, rng: random.Random, times: int) -> None:
        """Some of what people do to a registry, few deletes enough to be believed."""
        for _ in range(times):
            name = rng.choice(sorted(self.models))
            versions: dict[str, str] = self.models[name]["versions"]
            match rng.randrange(6):
                case 0:
                    versions[str(max(map(int, versions), default=0) + 1)] = "None"
                case 1 | 2 if versions:
                    versions[rng.choice(sorted(versions))] = rng.choice(STAGES)
                case 3 if versions:
                    self.models[name]["aliases"] = {"champion": rng.choice(sorted(versions))}
                case 4 if len(versions) > 1:
                    del versions[rng.choice(sorted(versions))]
                case _:
                    self.models[name]["id"] = f"{name}#{next(self._ids)}"
        self.write()

    def truth(self) -> dict[tuple[str, str], str]:
        """What the catalogue must say: (kind, native id) to a summary of it."""
        found = {}
        for name, model in self.models.items():
            found["model", model["id"]] = f"{name} {sorted(model['aliases'].items())}"
            for version, stage in model["versions"].items():
                found["version", f"{model['id']}:{version}"] = f"{version} {stage}"
        return found

    def calls(self) -> list[tuple[float, int, str]]:
        """The scans so far: when, by which process, and whether they began or ended."""
        path = self.folder / "calls.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(float(at), int(pid), what) for at, pid, what in (line.split() for line in lines)]

    def config(self, name: str, *, page: int = 1000, pause: float = 0.0, sync_every: float = 0) -> str:
        """The registry in a configuration file."""
        return (
            f'[[registries]]\nname = "{name}"\nkind = "paper"\nteam = "t"\nsync_every = {sync_every}\n'
            f'config = {{ folder = "{self.folder}", page = {page}, pause = {pause} }}\n'
        )


def catalogued(engine: Engine, registry: str) -> dict[tuple[str, str], str]:
    """What the catalogue says lives in a registry, in the words of `Paper.truth`."""
    found = {}
    with reading(engine) as connection:
        known = tables.registry.c
        registry_id = connection.execute(select(known.id).where(known.name == registry)).scalar_one()
        for kind, table in (("model", tables.model), ("version", tables.version)):
            query = select(table.c.native_id, table.c.body)
            query = query.where(table.c.registry_id == registry_id, table.c.deleted_at.is_(None))
            for native, body in connection.execute(query):
                if kind == "model":
                    model = codec.decode_model(body)
                    found[kind, native] = f"{model.name} {sorted(model.aliases.items())}"
                else:
                    version = codec.decode_version(body)
                    found[kind, native] = f"{version.version} {version.stage}"
    return found


def problems(engine: Engine) -> list[str]:
    """What of journal, feed and history does not hold although it always must."""
    adapters = discover()
    context = SyncContext(engine, Connections(adapters), Leases("nobody"))
    return World(engine, MemoryBackend(), adapters, context, 0).problems()


def ask(engine: Engine, registry: str) -> int:
    """Ask for a full run of a registry; its id."""
    known = tables.registry.c
    with writing(engine) as connection:
        registry_id = connection.execute(select(known.id).where(known.name == registry)).scalar_one()
        return schedule.request(connection, registry_id, full=True)


def run_of(engine: Engine, sync_id: int) -> Any:
    """The row of a run."""
    with reading(engine) as connection:
        return connection.execute(select(tables.sync).where(tables.sync.c.id == sync_id)).one()


def finished(engine: Engine, sync_id: int) -> Any:
    """The row of a run once it has ended."""
    return until(
        lambda: row if (row := run_of(engine, sync_id)).finished_at is not None else None,
        f"run {sync_id} ends",
    )


def workers_of(config: Path) -> list[int]:
    """The process ids of the workers that run this configuration now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"gateway.worker" in words and str(config.resolve()).encode() in words:
                found.append(int(folder.name))
    return found


@dataclass(frozen=True)
class SupervisedWorker:
    """A supervised worker without an API, and its database."""

    config: Path
    engine: Engine
    worker: WorkerProcess

    def kill(self) -> int:
        """End the worker as a crash would; its process id. It is started again by its supervisor."""
        process = self.worker.process
        assert process is not None
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        return process.pid


@contextmanager
def machine(folder: Path, registries: str, database: str) -> Iterator[SupervisedWorker]:
    """Prepare a gateway in a folder and supervise its worker until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "waypost.toml"
    config.write_text(
        f'plugins = "{PLUGINS}"\n[database]\nurl = "{database}"\n[log]\nlevel = "error"\n{registries}'
    )
    engine = blank.opened(database)
    waypost = Waypost(load_settings(config))
    waypost.prepare()
    waypost.close()
    worker = WorkerProcess(config)
    worker.start()
    try:
        yield SupervisedWorker(config, engine, worker)
    finally:
        worker.stop()
        engine.dispose()

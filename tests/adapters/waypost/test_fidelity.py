"""While teams work behind another gateway, which reads them, the catalogue here follows it."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from adapters import ModelRecord, VersionRecord
from adapters.memory import BACKENDS, MemoryBackend
from tests.adapters.waypost.gateways import SocketGateway, gateway, registry
from tests.fidelity import follow, ref, watching
from tests.soak import soak

TEAMS = ("fraud", "search")


class Teams:
    """Work on the backends of the other gateway, which it reads now and then, and always before it is looked at."""

    def __init__(
        self, other: SocketGateway, backends: Mapping[str, MemoryBackend], rng: random.Random
    ) -> None:
        self.other, self.backends, self.rng = other, backends, rng
        self.gone: set[str] = set()

    def act(self) -> None:
        name = self.rng.choice(TEAMS)
        backend = self.backends[name]
        models = [one for one in backend.records.values() if isinstance(one, ModelRecord)]
        if len(models) < 3 or self.rng.random() < 0.15:
            made = backend.model(f"m{backend.last}")
            backend.add_version(made, "1")
        else:
            model = self.rng.choice(models)
            versions = backend.versions(model.key)
            match self.rng.randrange(6):
                case 0 if len(models) > 3:
                    self.gone.add(ref(f"{name}/{model.name}"))
                    backend.drop(model.key)
                case 1 if len(versions) > 1:
                    self.gone.add(ref(f"{name}/{model.name}", versions[0].version))
                    backend.drop(versions[0].key)
                case 2:
                    backend.add_version(model, str(1 + max(int(one.version) for one in versions)))
                case 3:
                    alias = {"champion": self.rng.choice(versions).version}
                    backend.put(replace(model, aliases=alias, updated_at=None))
                case _:
                    tags = {"k": str(self.rng.random())}
                    backend.put(replace(self.rng.choice(versions), tags=tags, updated_at=None))
        assert self.other.sync(name, full=self.rng.random() < 0.2) == "ok"

    def truth(self) -> Mapping[str, object]:
        found: dict[str, object] = {}
        for name, backend in self.backends.items():
            for record in backend.records.values():
                if isinstance(record, ModelRecord):
                    found[ref(f"{name}/{record.name}")] = dict(record.aliases)
                    champion = record.aliases.get("champion")
                    for one in backend.versions(record.key):
                        stage = "production" if one.version == champion else None
                        found[ref(f"{name}/{record.name}", one.version)] = (dict(one.tags), stage)
        return found


def told(record: ModelRecord | VersionRecord) -> object:
    """What of a record is compared."""
    if isinstance(record, ModelRecord):
        return dict(record.aliases)
    tags = {name: value for name, value in record.tags.items() if not name.startswith("peer.")}
    return tags, record.stage


@soak(sample=20, full=1_000, batch=250)
def test_another_gateway_is_followed(cases: int, seed: int, tmp_path: Path) -> list[str]:
    """By what changed since, as each of its registries tells."""
    return followed(cases, seed, tmp_path, sync_every=0.001)


@soak(sample=10, full=500, batch=125)
def test_another_gateway_is_listed(cases: int, seed: int, tmp_path: Path) -> list[str]:
    """By scans that list everything."""
    return followed(cases, seed, tmp_path, sync_every=86_400)


def followed(cases: int, seed: int, folder: Path, *, sync_every: float) -> list[str]:
    """A registry that is another gateway, behind which teams work."""
    rng = random.Random(seed)
    names = {name: f"{folder}-{seed}-{name}" for name in TEAMS}
    backends = {name: BACKENDS.setdefault(full, MemoryBackend(identity=full)) for name, full in names.items()}
    registries = [registry(name, "memory", backend=full) for name, full in names.items()]
    try:
        with gateway(folder / f"other-{seed}", *registries) as other:
            teams = Teams(other, backends, rng)
            for _ in range(12):
                teams.act()
            database = f"sqlite:///{folder / str(seed)}.db"
            with watching(database, "waypost", {"url": other.url}, sync_every=sync_every) as watch:
                return follow(watch, teams, told, cases, rng)
    finally:
        for full in names.values():
            BACKENDS.pop(full, None)

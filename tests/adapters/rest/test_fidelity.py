"""While a team works on its service, the catalogue follows: by small numbered pages and by what changed since."""

import random
from collections.abc import Mapping
from pathlib import Path

from adapters import ModelRecord, VersionRecord
from tests.adapters.rest.service import RestRegistry, Row, served
from tests.fidelity import follow, ref, watching
from tests.soak import soak

TOKEN = "team-s3cret-token"
NAMES = tuple(f"model {number}" for number in range(6))
PAGE = {
    "style": "page",
    "param": "page",
    "size": "size",
    "size_value": 7,
    "total": "total",
    "end_status": 404,
}


class ServiceTeam:
    """Works on the service itself."""

    def __init__(self, registry: RestRegistry, rng: random.Random, *, deletes: bool) -> None:
        self.registry, self.rng, self.deletes = registry, rng, deletes
        self.gone: set[str] = set()

    def act(self) -> None:
        with self.registry.lock:
            name, doing = self.rng.choice(NAMES), self.rng.random()
            model = self.registry.named(name)
            versions = [] if model is None else self.registry.of(model)
            if model is None or not versions or doing < 0.4:
                self.registry.version(name, uri=f"s3://team/{self.rng.randrange(10**6)}")
            elif doing < 0.44 and self.deletes:
                self.gone.add(ref(name))
                self.registry.drop("models", model["id"])
            elif doing < 0.6 and self.deletes:
                self._drop(name, self.rng.choice(versions))
            elif doing < 0.75:
                aliases = {**model["aliases"], "live": str(self.rng.choice(versions)["version"])}
                self.registry.touch(model, aliases=aliases)
            else:
                change = self.rng.choice(
                    [{"stage": self.rng.choice(["staging", "production"])}, self._tags()]
                )
                self.registry.touch(self.rng.choice([model, *versions]), **change)

    def truth(self) -> Mapping[str, object]:
        found: dict[str, object] = {}
        models = self.registry.rows["models"]
        for row in models.values():
            found[ref(row["name"])] = (row["tags"], row["aliases"])
        for row in self.registry.rows["versions"].values():
            name = models[row["model_id"]]["name"]
            found[ref(name, str(row["version"]))] = (row["tags"], row["stage"], row.get("uri"))
        return found

    def _drop(self, name: str, version: Row) -> None:
        self.gone.add(ref(name, str(version["version"])))
        self.registry.drop("versions", version["id"])

    def _tags(self) -> Row:
        return {"tags": {"team": self.rng.choice(["risk", "ads"]), "seen": str(self.rng.randrange(9))}}


def told(record: ModelRecord | VersionRecord) -> object:
    """What of a record is compared."""
    if isinstance(record, ModelRecord):
        return dict(record.tags), dict(record.aliases)
    return dict(record.tags), record.stage, record.artifact_uri


@soak(sample=20, full=1_000, batch=250)
def test_a_teams_service_is_followed(cases: int, seed: int, tmp_path: Path) -> list[str]:
    """By scans that list everything, as those of a small registry do."""
    return followed(cases, seed, tmp_path, deletes=True, sync_every=86_400)


@soak(sample=20, full=1_000, batch=250)
def test_what_changed_on_a_teams_service_is_followed(cases: int, seed: int, tmp_path: Path) -> list[str]:
    """By scans that ask for what changed since, which tell no deletes."""
    return followed(cases, seed, tmp_path, deletes=False, sync_every=0.001)


def followed(cases: int, seed: int, folder: Path, *, deletes: bool, sync_every: float) -> list[str]:
    """A registry on a service that a team works on."""
    rng, registry = random.Random(seed), RestRegistry(TOKEN)
    team = ServiceTeam(registry, rng, deletes=deletes)
    for _ in range(20):
        team.act()
    (folder / "key").write_text(TOKEN)
    lists = {name: {"page": PAGE} for name in ("models", "versions", "endpoints")}
    with served(registry) as url:
        config = {"preset": "fastapi", "url": url, "token": f"file:{folder / 'key'}", **lists}
        database = f"sqlite:///{folder / str(seed)}.db"
        with watching(database, "rest", config, sync_every=sync_every) as watch:
            return follow(watch, team, told, cases, rng)

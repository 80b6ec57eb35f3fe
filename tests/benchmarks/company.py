"""The catalogue of a large company, of any size, made once and found again.

It lies in the folder that `BENCH_ESTATE` names, or else in the scratch space of a benchmark. Who makes it may be
stopped at any time: what was taken in stays, and the next run goes on behind it.
"""

import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, count, islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Executable, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from adapters import Dataset, Key, Lineage, ModelRecord, Record, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, reading, writing
from federation.stages import parse_rules
from gateway.settings import load_settings
from gateway.start import settle
from gateway.waypost import Waypost


def _words(text: str) -> list[str]:
    return text.split()


REGISTRIES = 100
PER_MODEL = 10
"""Versions of a model in the mean; half of the models have four or fewer, some have thousands."""
MOST = 5_000
HUB_SHARE = 0.1
"""Of all versions that need the hub, the first version of the first model."""
NEEDS = (0, 1, 1, 2, 2, 2, 3, 5)
"""How many others a version needs, besides the hub and its data set."""
CHUNK = 2_000
START = datetime(2019, 1, 1, tzinfo=UTC)
DOMAINS = _words(
    "fraud churn credit pricing demand search ads claims risk supply fleet support basket loyalty energy routing "
    "returns billing payroll hiring quality safety network identity content video voice email leads assets"
)
SUBJECTS = _words(
    "score forecast ranker classifier detector embedding segment propensity uplift anomaly intent sentiment topic "
    "similarity matching recommender extractor summary translation speech vision layout price elasticity capacity"
)
SHAPES = _words(
    "eu us apac de fr uk jp mobile web store b2b retail partner nightly hourly realtime batch small large xl distilled "
    "quantized baseline canary experiment tuned legacy next shadow ensemble"
)
FRAMEWORKS = ("sklearn", "xgboost", "lightgbm", "pytorch", "pytorch", "tensorflow", "onnx", "transformers")
STAGES = ("none",) * 14 + ("archived",) * 3 + ("staging",) * 2
METRICS = ("auc", "f1", "rmse", "mape", "accuracy", "latency_ms", "loss")
RULES = parse_rules(
    {}, {"production": ("stage:production",), "staging": ("stage:staging",), "archived": ("stage:archived",)}
)


def registry_name(number: int) -> str:
    """What a registry is called, the first is number 1."""
    return f"{DOMAINS[number % len(DOMAINS)]}-{('ml', 'lab', 'prod', 'research')[number // len(DOMAINS) % 4]}"


def config() -> str:
    """The registries of the company, never read by themselves."""
    stages = ", ".join(f'{stage} = ["stage:{stage}"]' for stage in RULES)
    return "".join(
        f'[[registries]]\nname = "{registry_name(number)}"\nteam = "{DOMAINS[number % len(DOMAINS)]}"\n'
        f'kind = "memory"\nsync_every = 0\nstages = {{ {stages} }}\n'
        for number in range(1, REGISTRIES + 1)
    )


@dataclass
class Company:
    """Models with about `size` versions in all, the same for everyone who asks."""

    size: int
    made: int = 0
    _models: list[tuple[int, str, int]] = field(default_factory=list)
    """Registry, name and versions of each model."""

    def models(self) -> Iterator[tuple[int, list[Record]]]:
        """Models with their versions, and in which registry they are. Those that many need come first."""
        taken: set[tuple[int, str]] = set()
        weights = list(accumulate(1 / (rank + 3) for rank in range(REGISTRIES)))
        while self.made < self.size:
            chance = random.Random(len(self._models))
            registry = chance.choices(range(1, REGISTRIES + 1), cum_weights=weights)[0]
            name = f"{chance.choice(DOMAINS)}-{chance.choice(SUBJECTS)}"
            while (registry, name) in taken:
                name += f"-{chance.choice(SHAPES)}"
            taken.add((registry, name))
            count = min(1 + int(chance.lognormvariate(1.38, 1.3)), MOST, self.size - self.made)
            records = self._records(chance, registry, name, count)
            self._models.append((registry, name, count))
            self.made += count
            yield registry, records

    def _records(self, chance: random.Random, registry: int, name: str, count: int) -> list[Record]:
        key = Key("model", name)
        owner = f"{chance.choice(DOMAINS)}.{chance.randrange(400)}@example.com"
        begun = START + timedelta(minutes=chance.randrange(3_500_000))
        every = timedelta(hours=chance.choice((1, 24, 24, 168, 720)))
        common = {
            "cost-center": f"cc-{chance.randrange(120)}", "pii": chance.choice(("yes", "no", "no")),
            "task": name.partition("-")[2],
        }  # fmt: skip
        framework, measured = chance.choice(FRAMEWORKS), chance.sample(METRICS, chance.choice((1, 2, 2, 3)))
        best, live = chance.random(), count if chance.random() < 0.3 else 0
        told = f"{name.replace('-', ' ')} of {registry_name(registry)}, for {common['cost-center']}"
        model = ModelRecord(
            key=key, name=name, description=told, owner=owner, tags=common,
            aliases={"champion": str(live)} if live else {}, created_at=begun, updated_at=begun + every * count,
        )  # fmt: skip
        versions = [
            VersionRecord(
                key=Key("version", f"{name}:{number}"), model=key, version=str(number),
                stage="production" if number == live else chance.choice(STAGES), framework=framework,
                tags={**common, **self._needs(chance)},
                metrics={one: round(best + chance.gauss(0, 0.02), 4) for one in measured},
                params={"depth": str(chance.randrange(3, 12)), "seed": str(chance.randrange(10))},
                artifact_uri=f"s3://{registry_name(registry)}/{name}/{number}",
                lineage=Lineage(datasets=(Dataset(f"{name.partition('-')[0]}-events", f"{number // 3}"),)),
                created_at=begun + every * number, updated_at=begun + every * number,
            )
            for number in range(1, count + 1)
        ]  # fmt: skip
        return [model, *versions]

    def _needs(self, chance: random.Random) -> Mapping[str, str]:
        if not self._models:
            return {}
        wanted = {(0, 1)} if chance.random() < HUB_SHARE else set[tuple[int, int]]()
        for _ in range(chance.choice(NEEDS)):
            place = int(len(self._models) * chance.random() ** 4)
            wanted.add((place, chance.randint(1, self._models[place][2])))
        references = (
            f"{registry_name(self._models[place][0])}/{self._models[place][1]}:{version}"
            for place, version in sorted(wanted)
        )
        return {"depends_on": ",".join(references)} if wanted else {}

    def references(self, count: int) -> list[str]:
        """The first models, as far as there are so many."""
        for _ in islice(self.models(), count):
            pass
        return [f"{registry_name(registry)}/{name}" for registry, name, _ in self._models]

    def pages(self, known: Mapping[int, int]) -> Iterator[tuple[int, list[Record]]]:
        """What imports write at once, and in which registry, without so many first models of each."""
        left, waiting = dict(known), defaultdict[int, list[Record]](list)
        for registry, records in self.models():
            if left.get(registry, 0):
                left[registry] -= 1
                continue
            waiting[registry] += records
            if len(waiting[registry]) >= CHUNK:
                yield registry, waiting.pop(registry)
        yield from waiting.items()

    def upsert(self, engine: Engine) -> float:
        """Upsert the same rows into empty tables with SQLAlchemy Core and nothing else, encoded beforehand. Seconds."""
        models, numbers, spent = dict[Key, int](), count(1), 0.0
        for registry, records in self.pages({}):
            rows = defaultdict[Table, list[dict[str, Any]]](list)
            for record in records:
                row = _row(next(numbers), registry, record)
                if isinstance(record, VersionRecord):
                    rows[tables.version].append(row | {"model_id": models[record.model], **_version(record)})
                elif isinstance(record, ModelRecord):
                    models[record.key] = row["id"]
                    rows[tables.model].append(row | {"name": record.name})
            began = time.perf_counter()
            with writing(engine) as connection:
                for table, chosen in rows.items():
                    connection.execute(_upsert(table, engine.dialect.name), chosen)
            spent += time.perf_counter() - began
        return spent

    def take_in(self, engine: Engine, state: "State") -> None:
        """Write everything that is not there yet, as first imports do."""
        with reading(engine) as connection:
            own = select(tables.registry.c.name, tables.registry.c.id)
            ids = {str(name): int(id_) for name, id_ in connection.execute(own)}
            held = select(tables.model.c.registry_id, func.count()).group_by(tables.model.c.registry_id)
            there = {int(id_): int(number) for id_, number in connection.execute(held)}
        known = {one: there.get(ids[registry_name(one)], 0) for one in range(1, REGISTRIES + 1)}
        for registry, records in self.pages(known):
            _write(engine, ids, registry, records, state)
        with writing(engine) as connection:
            connection.execute(tables.registry.update().values(last_success_at=now(), last_attempt_at=now()))


def _row(number: int, registry: int, record: Record) -> dict[str, Any]:
    """What the tables of models and of versions have in common."""
    return {
        "id": number, "registry_id": registry, "native_id": record.key.native_id, "body": codec.to_json(record),
        "digest": b"0" * 32, "first_seen_at": START,
    }  # fmt: skip


def _version(record: VersionRecord) -> dict[str, Any]:
    """What a version's row has besides."""
    return {
        "version": record.version, "stage": "none", "stage_reason": "", "deployed": False, "details_read": False
    }  # fmt: skip


def _upsert(table: Table, dialect: str) -> Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=["registry_id", "native_id"], set_={"body": statement.excluded.body}
    )


def _write(
    engine: Engine, ids: Mapping[str, int], registry: int, records: list[Record], state: "State"
) -> None:
    name = registry_name(registry)
    began = time.perf_counter()
    with writing(engine) as connection:
        writer = CatalogueWriter(connection, Origin(ids[name], name, RULES, now(), importing=True))
        writer.write([codec.encode(record) for record in records])
        writer.batch.append(connection)
    versions = sum(isinstance(record, VersionRecord) for record in records)
    state.add("ingest", versions, time.perf_counter() - began)


class State:
    """How far an estate is made, and how long that took, in a file beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done: dict[str, tuple[int, float]] = json.loads(path.read_text()) if path.exists() else {}

    @property
    def steps(self) -> frozenset[str]:
        """What was done, or begun in the case of `ingest`."""
        return frozenset(self._done)

    def add(self, step: str, versions: int, seconds: float) -> None:
        """So many versions more took so long."""
        before = self._done.get(step, (0, 0.0))
        self._done[step] = before[0] + versions, before[1] + seconds
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(self._done))
        draft.replace(self._path)

    def seconds(self, step: str) -> float:
        """What a version took in the mean."""
        versions, taken = self._done[step]
        return taken / versions


def is_kept() -> bool:
    """Whether an estate is found again, in the folder that `BENCH_ESTATE` names."""
    return bool(os.environ.get("BENCH_ESTATE"))


def estate(size: int, folder: Path) -> tuple[Path, State]:
    """The folder of a gateway over a company of this size, with its index and its graph, and how that was made."""
    place = Path(os.environ.get("BENCH_ESTATE") or folder) / f"company-{size}"
    place.mkdir(parents=True, exist_ok=True)
    file, state = place / "waypost.toml", State(place / "made.json")
    if {"graph", "search"} <= state.steps:
        return place, state
    file.write_text(config())
    waypost = Waypost(load_settings(file, {}))
    waypost.prepare()
    settle()  # as the worker does
    Company(size).take_in(waypost.engine, state)
    for name, follower in sorted(waypost.followers().items()):
        if name not in state.steps:
            began = time.perf_counter()
            follower.rebuild()
            while follower.step():  # the graph's files are written behind its tables
                pass
            state.add(name, size, time.perf_counter() - began)
    waypost.close()
    return place, state

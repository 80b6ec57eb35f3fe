"""How soon the server has rendered each page over a large federation, whatever a page is about."""

import gc
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
from sqlalchemy import Engine, select

from adapters import Dataset, Key, Lineage, ModelRecord, Record, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.catalogue.origin import Origin
from federation.catalogue.writer import CatalogueWriter
from federation.database import now, reading, writing
from federation.journal.entry import Action, Entry
from federation.journal.log import Batch
from federation.stages import parse_rules
from gateway.settings import load_settings
from gateway.waypost import Waypost
from tests.benchmarks import Figure, benchmark, spread
from tests.benchmarks.estate import (
    COMMON,
    REGISTRIES,
    START,
    Federation,
    registry_name,
    team_name,
)
from tests.gateway.served import served
from tests.patience import until

CHUNK = 2_000
GOAL = 150.0
"""Milliseconds (p95) in which a page is to be there."""
BIG = 300
"""Versions of the largest model."""
HUBS, PLATFORM = 0.002, 0.05
"""The part of all models that most need, and that of the models in between, which need those."""
RULES = parse_rules(
    {}, {"production": ("stage:production",), "staging": ("stage:staging",), "archived": ("stage:archived",)}
)
STAGE_RULES = (
    '{ production = ["stage:production"], staging = ["stage:staging"], archived = ["stage:archived"] }'
)


class MadeUpEstate:
    """A made-up federation in the catalogue: each version needs two others, hubs and a platform before the rest."""

    def __init__(self, size: int) -> None:
        self.federation = Federation(size)
        self.chance = random.Random(11)
        count = self.federation.models_count
        self.hubs, self.platform = max(1, int(count * HUBS)), max(2, int(count * PLATFORM))
        self.names: list[tuple[int, str]] = []
        """Registry and name of each model, the first is number 1."""

    def records(self) -> Iterator[tuple[int, list[Record]]]:
        """Models with their versions, and in which registry they are."""
        for number in range(1, self.federation.models_count + 1):
            documents = self.federation.model(number)
            first = documents[0]
            self.names.append((first.registry_id, first.model))
            key = Key("model", f"m{number}")
            model = ModelRecord(
                key=key, name=first.model, description=first.description, owner=first.texts["owner"][0],
                license=first.texts.get("license", (None,))[0], aliases={"champion": "7"},
                tags={"task": first.entries["tag"]["task"]}, created_at=first.created, updated_at=first.updated,
            )  # fmt: skip
            copies = BIG // len(documents) if number == self.federation.models_count else 1
            versions = [
                VersionRecord(
                    key=Key("version", f"m{number}:{place}"), model=key, version=str(place), stage=one.stage,
                    tags={**one.entries["tag"], "depends_on": self._needs(number)}, metrics=one.entries["metric"],
                    params=one.entries["param"], framework=one.texts["framework"][0],
                    artifact_uri=f"s3://models/{number}/{place}",
                    lineage=Lineage(
                        run_id=one.entries["tag"]["run"] if number % 7 else None,
                        datasets=(Dataset(f"data-{number % 500}", f"{place}"),) if number % 7 else (),
                    ),
                    created_at=START + timedelta(minutes=number, hours=place), updated_at=one.updated,
                    native={"run_id": one.entries["tag"]["run"], "status": "READY"},
                )
                for place, one in enumerate(documents * copies, 1)
            ]  # fmt: skip
            yield first.registry_id, [model, *versions]

    def _needs(self, number: int) -> str:
        """What a version of this model says it depends on."""
        if number <= self.hubs + 1:
            return ""
        below = self.hubs if number <= self.platform else self.platform
        chosen = {self.chance.randrange(below), self.chance.randrange(self.hubs)}
        return ",".join(
            f"{self._reference(place)}:{self.chance.randrange(1, 11)}" for place in sorted(chosen)
        )

    def _reference(self, place: int) -> str:
        registry, name = self.names[place]
        return f"{registry_name(registry)}/{name}"

    def some(self, count: int) -> list[str]:
        """References of models from everywhere, hubs and the largest among them."""
        chosen = [0, len(self.names) - 1, *(self.chance.randrange(len(self.names)) for _ in range(count))]
        return [self._reference(place) for place in chosen][:count]

    def write(self, engine: Engine) -> None:
        """Take everything in, as first imports do, then a stage change for every tenth version into the journal."""
        with reading(engine) as connection:
            query = select(tables.registry.c.name, tables.registry.c.id)
            ids = {str(name): int(id_) for name, id_ in connection.execute(query)}
        waiting: dict[int, list[Record]] = defaultdict(list)
        for registry, records in self.records():
            waiting[registry] += records
            if len(waiting[registry]) >= CHUNK:
                take_in(engine, ids, registry, waiting.pop(registry))
        for registry, records in waiting.items():
            take_in(engine, ids, registry, records)
        _journal(engine, self, self.federation.versions // 10)
        with writing(engine) as connection:
            connection.execute(tables.registry.update().values(last_success_at=now(), last_attempt_at=now()))


def take_in(engine: Engine, ids: dict[str, int], registry: int, records: Sequence[Record]) -> None:
    """Write records as a first import does. `ids`: each registry's, by name."""
    name = registry_name(registry)
    with writing(engine) as connection:
        writer = CatalogueWriter(connection, Origin(ids[name], name, RULES, now(), importing=True))
        writer.write([codec.encode(record) for record in records])
        writer.batch.append(connection)


def _journal(engine: Engine, estate: MadeUpEstate, count: int) -> None:
    for begin in range(0, count, CHUNK):
        batch = Batch()
        for place in range(begin, min(begin + CHUNK, count)):
            registry, name = estate.names[place % len(estate.names)]
            ref = f"{registry_name(registry)}/{name}:{1 + place % 10}"
            entry = Entry(
                action=Action.STAGE_CHANGED, actor="system", ref=ref, registry=registry_name(registry),
                before={"stage": "none"}, after={"stage": "staging"},
            )  # fmt: skip
            batch.record(entry, registry)
        with writing(engine) as connection:
            batch.append(connection)


def config() -> str:
    """The registries of the federation, never read by themselves."""
    return "".join(
        f'[[registries]]\nname = "{registry_name(id_)}"\nteam = "{team_name(id_)}"\nkind = "memory"\nsync_every = 0\n'
        f"stages = {STAGE_RULES}\n"
        for id_ in range(1, REGISTRIES + 1)
    )


PAGES: dict[str, Callable[[str], str]] = {
    "/": lambda ref: "/",
    "/?q=": lambda ref: f"/?q={COMMON}+{ref.rpartition('-')[0].rpartition('-')[2]}",
    "/?q=stage:production": lambda ref: "/?q=stage:production&sort=updated",
    "/models/{ref}": lambda ref: f"/models/{quote(ref)}",
    "/versions/{ref}": lambda ref: f"/versions/{quote(ref)}:3",
    "/impact/{ref}": lambda ref: f"/impact/{quote(ref)}:3?action=archive",
    "/impact/{model}": lambda ref: f"/impact/{quote(ref)}?action=archive",
    "/diff": lambda ref: f"/diff?left={quote(ref)}:2&right={quote(ref)}@champion",
    "/change/{ref}": lambda ref: f"/change/{quote(ref)}:3?what=stage&value=archived",
    "/registries": lambda ref: "/registries",
    "/registries/{name}": lambda ref: f"/registries/{ref.partition('/')[0]}",
    "/production": lambda ref: "/production",
    "/production as of": lambda ref: f"/production?as_of={now().date()}",
    "/audit": lambda ref: "/audit",
    "/audit?ref=": lambda ref: f"/audit?ref={quote(ref)}:3",
    "/audit?action=": lambda ref: "/audit?action=imported",
    "/audit/{seq}": lambda ref: f"/audit/{1 + len(ref) % 7}",
    "/insights": lambda ref: "/insights",
    **{
        f"/insights/{name}": lambda ref, name=name: f"/insights/{name}"  # type: ignore[misc]
        for name in (
            "most-depended-on", "single-points-of-failure", "orphans", "cross-team", "deepest-chains", "unresolved",
            "duplicates", "findings",
        )
    },
    "/operations": lambda ref: "/operations",
    "/account": lambda ref: "/account",
    "/tokens": lambda ref: "/tokens",
    "/grants": lambda ref: "/grants",
}  # fmt: skip
"""Every page that the former build has as well, by the reference of a model that it may be about."""
NEWER: dict[str, Callable[[str], str]] = {
    "/team": lambda ref: f"/team?team={team_name(int(ref.partition('/')[0].rpartition('-')[2]))}",
    "/compare": lambda ref: f"/compare?ref={quote(ref)}:2&ref={quote(ref)}:3",
    "/similar/{ref}": lambda ref: f"/similar/{quote(ref)}:3",
}
"""Those that it has not."""


@benchmark(sample=600, full=1_000_000, servers=True)
def page_render(size: int, folder: Path) -> Iterator[Figure]:
    """Each page of a gateway of one API process over `size` versions, about other models each time."""
    (folder / "waypost.toml").write_text(config())
    waypost = Waypost(load_settings(folder / "waypost.toml", {}))
    waypost.prepare()
    estate = MadeUpEstate(size)
    estate.write(waypost.engine)
    gc.freeze()  # a worker has none of this, and here every collection would walk over it
    for follower in waypost.followers().values():
        follower.rebuild()
    waypost.close()
    times = 40 if size > CHUNK else 2
    with (
        served(folder, config=config()) as gateway,
        httpx.Client(
            base_url=gateway.url, timeout=60.0, trust_env=False, headers={"Accept": "text/html"}
        ) as client,
    ):
        refs = estate.some(times)
        began = time.perf_counter()
        until(
            lambda: "aria-busy" not in client.get("/insights").text, "every list is counted", patience=600.0
        )
        yield Figure("every list of insights is counted after a start", time.perf_counter() - began, "s")
        first: list[float] = []
        for page, address in (PAGES | NEWER).items():
            taken = [rendered(client, address(ref)) for ref in refs]
            first.append(taken[0])
            yield Figure(f"{page}, p95", spread(taken).p95 * 1e3, "ms", goal=GOAL)
        yield Figure("the slowest of all on its very first request", max(first) * 1e3, "ms")


def rendered(client: httpx.Client, address: str) -> float:
    """Seconds until a page is there, from the server's side of this machine."""
    began = time.perf_counter()
    answer = client.get(address)
    taken = time.perf_counter() - began
    assert answer.status_code == 200, f"{address}: {answer.status_code} {answer.text[:400]}"
    return taken

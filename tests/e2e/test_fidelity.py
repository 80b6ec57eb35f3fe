"""What people do to MLflow through its own client, while Waypost synchronises: the catalogue is what the server has,
the history is what was done, and nothing is ever taken for deleted that was not.
"""

import random
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from adapters import discover
from federation import schema, tables
from federation.catalogue import codec
from federation.database import now, open_engine, reading, writing
from federation.journal.entry import decode
from federation.leases import Leases
from federation.references import Reference, decode_part, parse
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from federation.sync import absence, schedule
from federation.sync.context import SyncContext
from federation.sync.run import run
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.gateway.paper import problems
from tests.servers.mlflow import empty
from tests.soak import soak

SYNC_EVERY = 1.0
MODELS = 8
"""At least so many, so that what is done between two runs is never suspiciously much."""
STAGES = {"Production": "production", "Staging": "staging", "Archived": "archived", "None": "none"}
RULES = {stage: [f"stage:{native}"] for native, stage in STAGES.items() if stage != "none"}
WORDS = ("", "fraud", "Zahlungen äöü", "🤖", "a b", "x" * 200)
ALIASES = ("champion", "challenger", "shadow")
BEGINNING, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass
class Hold:
    """A stretch in which a version really held something; each moment lies between two that were measured."""

    began: tuple[datetime, datetime]
    ended: tuple[datetime, datetime] = (NEVER, NEVER)


@dataclass
class MlflowUser:
    """Works on one server with MLflow's own client, and remembers what was done."""

    url: str
    rng: random.Random
    client: Any = None
    models: dict[str, dict[str, str]] = field(default_factory=dict)
    """Name to its versions and their stages, as they should be now."""
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    vanished: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """When what a reference led to was deleted or renamed away, measured before the call."""
    holds: dict[tuple[str, str, str], list[Hold]] = field(default_factory=lambda: defaultdict(list))
    """By reference, kind and value."""
    renamed: list[tuple[str, str, datetime]] = field(default_factory=list)
    """Former name, new one, and when, measured after the call."""
    names: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.client = mlflow_client(self.url)
        for _ in range(MODELS):
            self.create()
        for name in list(self.models):
            self.register(name)

    def act(self) -> None:
        """One random thing."""
        name = self.rng.choice(sorted(self.models))
        versions = sorted(self.models[name])
        if not versions or self.rng.random() < 0.15:
            self.rng.choice((self.create, lambda: self.register(name), lambda: self.describe(name)))()
            return
        version = self.rng.choice(versions)
        doings: tuple[tuple[int, Callable[[], None]], ...] = (
            (4, lambda: self.stage(name, version)),
            (5, lambda: self.alias(name, version)),
            (4, lambda: self.tag(name, version)),
            (2, lambda: self.describe(name)),
            (3, lambda: self.register(name)),
            (2, lambda: self.delete_version(name, version)),
            (1, lambda: self.rename(name)),
            (1, lambda: self.delete(name)),
            (1, lambda: self.create_again(name)),
        )
        weights = [weight for weight, _ in doings]
        self.rng.choices([do for _, do in doings], weights)[0]()

    def create(self) -> None:
        name = f"model {next(self.names)}"
        self.client.create_registered_model(name, description=self.rng.choice(WORDS))
        self.models[name] = {}

    def create_again(self, name: str) -> None:
        if len(self.models) >= MODELS:
            self.delete(name)
            if name not in self.models:
                self.client.create_registered_model(name)
                self.models[name] = {}

    def register(self, name: str) -> None:
        made = self.client.create_model_version(name, "s3://bucket/model", await_creation_for=0)
        self.models[name][str(made.version)] = "None"

    def stage(self, name: str, version: str) -> None:
        new, old = self.rng.choice(sorted(STAGES)), self.models[name][version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            moment = self.timed(lambda: self.client.transition_model_version_stage(name, version, new))
        if new != old:
            self.ends(name, version, "stage", STAGES[old], moment)
            self.begins(name, version, "stage", STAGES[new], moment)
            self.models[name][version] = new

    def alias(self, name: str, version: str) -> None:
        alias = self.rng.choice(ALIASES)
        held = self.aliases.get((name, alias))
        if held is not None and self.rng.random() < 0.3:
            moment = self.timed(lambda: self.client.delete_registered_model_alias(name, alias))
            self.ends(name, held, "alias", alias, moment)
            del self.aliases[name, alias]
            return
        moment = self.timed(lambda: self.client.set_registered_model_alias(name, alias, version))
        if held != version:
            self.ends(name, held, "alias", alias, moment)
            self.begins(name, version, "alias", alias, moment)
            self.aliases[name, alias] = version

    def tag(self, name: str, version: str) -> None:
        key, value = f"k{self.rng.randrange(3)}", self.rng.choice(WORDS)
        if self.rng.random() < 0.5:
            self.client.set_registered_model_tag(name, key, value)
        else:
            self.client.set_model_version_tag(name, version, key, value)

    def describe(self, name: str) -> None:
        self.client.update_registered_model(name, self.rng.choice(WORDS))
        for version in sorted(self.models[name])[:1]:
            self.client.update_model_version(name, version, self.rng.choice(WORDS))

    def delete_version(self, name: str, version: str) -> None:
        moment = self.timed(lambda: self.client.delete_model_version(name, version))
        self.lets_go(name, version, moment)
        del self.models[name][version]

    def delete(self, name: str) -> None:
        if len(self.models) < MODELS:
            return
        moment = self.timed(lambda: self.client.delete_registered_model(name))
        self.loses(name, moment)
        del self.models[name]

    def rename(self, name: str) -> None:
        new = f"model {next(self.names)}"
        moment, after = self.timed(lambda: self.client.rename_registered_model(name, new))
        self.renamed.append((name, new, after))
        for version in (None, *self.models[name]):
            self.vanished[str(Reference("r", name, version))].append(moment)
        self.models[new] = self.models.pop(name)
        for alias in [alias for of, alias in self.aliases if of == name]:
            self.aliases[new, alias] = self.aliases.pop((name, alias))
        # It is the same model: what its versions held, they hold on under the new name.
        for ref, kind, value in [held for held in self.holds if parse(held[0]).model == name]:
            moved = str(Reference("r", new, parse(ref).version))
            self.holds[moved, kind, value] = self.holds.pop((ref, kind, value))

    def loses(self, name: str, moment: tuple[datetime, datetime]) -> None:
        """A name leads nowhere any more."""
        self.vanished[str(Reference("r", name))].append(moment[0])
        for version in self.models[name]:
            self.lets_go(name, version, moment)

    def lets_go(self, name: str, version: str, moment: tuple[datetime, datetime]) -> None:
        """A version is gone, and what it held."""
        self.vanished[str(Reference("r", name, version))].append(moment[0])
        self.ends(name, version, "stage", STAGES[self.models[name][version]], moment)
        for (of, alias), held in list(self.aliases.items()):
            if (of, held) == (name, version):
                self.ends(name, version, "alias", alias, moment)
                del self.aliases[of, alias]

    def begins(
        self, name: str, version: str, kind: str, value: str, moment: tuple[datetime, datetime]
    ) -> None:
        if value != "none":
            self.holds[str(Reference("r", name, version)), kind, value].append(Hold(moment))

    def ends(
        self, name: str, version: str | None, kind: str, value: str, moment: tuple[datetime, datetime]
    ) -> None:
        if value != "none" and version is not None:
            self.holds[str(Reference("r", name, version)), kind, value][-1].ended = moment

    @staticmethod
    def timed(call: Callable[[], object]) -> tuple[datetime, datetime]:
        """Make a call; before and after it."""
        before = now()
        call()
        return before, now()

    def truth(self) -> dict[str, str]:
        """What the server has, as MLflow's client reads it."""
        found = {}
        for model in self.client.search_registered_models(max_results=1000):
            said = [model.description or "", sorted(model.tags.items()), sorted(model.aliases.items())]
            found[str(Reference("r", model.name))] = repr(said)
        for version in self.client.search_model_versions(max_results=1000):
            said = [version.description or "", sorted(version.tags.items()), version.current_stage]
            found[str(Reference("r", version.name, str(version.version)))] = repr(said)
        return found


@dataclass
class ServerWatch:
    """Synchronises one server into the database, again and again."""

    engine: Engine
    registry_id: int
    context: SyncContext
    runs: list[tuple[datetime, datetime]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        """Until `stopped`."""
        while not self.stopped.is_set():
            self.sync()
            self.stopped.wait(SYNC_EVERY)

    def sync(self, *, full: bool = False) -> None:
        began = now()
        with writing(self.engine) as connection:
            sync_id = schedule.request(connection, self.registry_id, full=full)
        state = run(self.context, sync_id)
        self.runs.append((began, now()))
        if state not in ("ok", "partial"):
            self.wrong.append(f"a run ended {state}")

    def settle(self) -> None:
        """Everything is quiet: one run that believes what is missing."""
        with writing(self.engine) as connection:
            absence.confirm(connection, self.registry_id)
        self.sync(full=True)


@soak(sample=12, full=2_000, batch=200)
def test_what_is_done_to_mlflow_is_what_the_catalogue_and_the_history_say(
    cases: int, seed: int, database: str, servers: list[Server], tmp_path: Path
) -> list[str]:
    engine = open_engine(database)
    schema.migrate(engine)
    try:
        return one_afternoon(cases, seed, engine, servers)
    finally:
        engine.dispose()


def one_afternoon(cases: int, seed: int, engine: Engine, servers: list[Server]) -> list[str]:
    """People work on every server at once, while each is synchronised every second."""
    adapters = discover()
    context = SyncContext(engine, Connections(adapters), Leases("fidelity"))
    names = [f"s{seed}-{number}" for number in range(len(servers))]
    specs = [
        RegistrySpec(name=name, kind="mlflow", team="t", stages=RULES, config={"url": server.url})
        for name, server in zip(names, servers, strict=True)
    ]
    with writing(engine) as connection:
        configured.apply(connection, specs)
        known = tables.registry.c
        ids = {row.name: row.id for row in connection.execute(select(known.name, known.id))}
    for server in servers:
        empty(server)
    users = [MlflowUser(server.url, random.Random(f"{seed} {place}")) for place, server in enumerate(servers)]
    watches = [ServerWatch(engine, ids[name], context) for name in names]
    threads = [threading.Thread(target=watch.follow) for watch in watches]
    for watch, thread in zip(watches, threads, strict=True):
        watch.sync()
        thread.start()
    try:
        for case in range(cases):
            users[case % len(users)].act()
            time.sleep(users[0].rng.choice((0, 0, 0.05, 0.3)))
    finally:
        for watch, thread in zip(watches, threads, strict=True):
            watch.stopped.set()
            thread.join()
    wrong = []
    for name, user, watch in zip(names, users, watches, strict=True):
        watch.settle()
        wrong += watch.wrong + differences(engine, ids[name], user) + phantoms(engine, name, user)
        wrong += unjustified(engine, ids[name], user, watch) + untold(engine, ids[name], user, watch)
        context.connections.close()
    return wrong + problems(engine)


def differences(engine: Engine, registry_id: int, user: MlflowUser) -> list[str]:
    """Where the catalogue is not what the server has."""
    found = {}
    with reading(engine) as connection:
        for table in (tables.model, tables.version):
            query = select(table).where(table.c.registry_id == registry_id, table.c.deleted_at.is_(None))
            for row in connection.execute(query):
                if table is tables.model:
                    model = codec.decode_model(row.body)
                    said = [
                        model.description or "",
                        sorted(model.tags.items()),
                        sorted(model.aliases.items()),
                    ]
                    found[str(Reference("r", model.name))] = repr(said)
                else:
                    version = codec.decode_version(row.body)
                    said = [version.description or "", sorted(version.tags.items()), version.stage or ""]
                    found[references(connection, [row.id])[row.id]] = repr(said)
    return [f"catalogue and server differ: {one}" for one in sorted(found.items() ^ user.truth().items())]


def phantoms(engine: Engine, name: str, user: MlflowUser) -> list[str]:
    """Deletes in the journal that nobody made, and returns of what was never gone."""
    left = {ref: sorted(times) for ref, times in user.vanished.items()}
    told = defaultdict(list)
    wrong = []
    with reading(engine) as connection:
        query = select(tables.journal).order_by(tables.journal.c.seq)
        entries = [decode(row.entry).entry for row in connection.execute(query)]
    for entry in entries:
        if entry.registry != name or entry.ref is None:
            continue
        ref = entry.ref.replace(f"{name}/", "r/", 1)
        told[ref].append(f"{entry.action} {entry.details.get('key')} by {entry.not_after}")
        if entry.action in ("model.deleted", "version.deleted"):
            times = left.get(ref, [])
            if not times or entry.not_after is None or times.pop(0) > entry.not_after:
                gone = [str(time) for time in user.vanished.get(ref, ())]
                wrong.append(f"phantom delete of {ref}, which went {gone}: {told[ref]}")
        elif entry.action.endswith(".restored") and not user.vanished.get(ref):
            wrong.append(f"{ref} came back and was never gone: {told[ref]}")
    return wrong


def references(connection: Any, ids: list[int]) -> dict[int, str]:
    """The references of versions, with `r` for the registry."""
    versions, models = tables.version.c, tables.model.c
    query = select(versions.id, versions.version, models.name).join(
        tables.model, models.id == versions.model_id
    )
    return {
        row.id: str(Reference("r", decode_part(row.name), decode_part(row.version)))
        for row in connection.execute(query.where(versions.id.in_(ids)))
    }


def spans_of(engine: Engine, registry_id: int) -> dict[tuple[str, str, str], list[Any]]:
    """What the history says: by reference, kind and value."""
    with reading(engine) as connection:
        rows = connection.execute(select(tables.span).where(tables.span.c.registry_id == registry_id)).all()
        refs = references(connection, [row.version_id for row in rows])
    found = defaultdict(list)
    for row in rows:
        found[refs[row.version_id], row.kind, row.value].append(row)
    return found


def unjustified(engine: Engine, registry_id: int, user: MlflowUser, watch: ServerWatch) -> list[str]:
    """Spans of the history that are not what was done, or not when."""
    wrong = []
    under_former: dict[tuple[str, str, str], list[Hold]] = defaultdict(list)
    for new, former in former_names(user, watch).items():
        for ref, kind, value in list(user.holds):
            if ref == new:
                under_former[former, kind, value] += user.holds[ref, kind, value]
    for held, spans in spans_of(engine, registry_id).items():
        stretches = as_seen(user.holds[held] or under_former[held], watch)
        for span in spans:
            after, by = span.began_after or BEGINNING, span.began_by
            real = [one for one in stretches if one[0].began[0] <= by and one[-1].ended[1] >= after]
            said = f"{held} is said to have begun in {after} to {by}"
            if not any(hold.began[0] <= by and hold.ended[1] >= after for one in real for hold in one):
                wrong.append(f"{said}, and did not: {user.holds[held]}")
            elif span.ended_by is None and all(one[-1].ended != (NEVER, NEVER) for one in real):
                wrong.append(f"{said} and to go on, and does not: {user.holds[held]}")
            elif span.ended_by is not None:
                ends = [hold.ended for one in real for hold in one if hold.ended[0] <= span.ended_by]
                since = span.ended_after or BEGINNING
                if not any(ended[1] >= since for ended in ends):
                    wrong.append(
                        f"{said} and ended in {since} to {span.ended_by}, and did not: {user.holds[held]}"
                    )
    return wrong


def former_names(user: MlflowUser, watch: ServerWatch) -> dict[str, str]:
    """Of names that were gone again before any whole run saw them, the references under which they are told of."""
    former: dict[str, str] = {}
    for old, new, since in user.renamed:
        gone = min((time for time in user.vanished[str(Reference("r", new))] if time > since), default=NEVER)
        if not any(since < began and ended < gone for began, ended in watch.runs):
            for ref in {ref for ref, _, _ in user.holds if parse(ref).model == new}:
                known = str(Reference("r", old, parse(ref).version))
                former[ref] = former.get(known, known)
    return former


def as_seen(holds: list[Hold], watch: ServerWatch) -> list[list[Hold]]:
    """Stretches with no whole run between them look like one."""
    found: list[list[Hold]] = []
    for hold in holds:
        seen = not found or any(
            found[-1][-1].ended[1] < began and ended < hold.began[0] for began, ended in watch.runs
        )
        if seen:
            found.append([hold])
        else:
            found[-1].append(hold)
    return found


def untold(engine: Engine, registry_id: int, user: MlflowUser, watch: ServerWatch) -> list[str]:
    """What lasted through a whole run and is not in the history."""
    told, former = spans_of(engine, registry_id), former_names(user, watch)
    wrong = []
    for held, holds in user.holds.items():
        for hold in holds:
            seen = any(hold.began[1] < began and ended < hold.ended[0] for began, ended in watch.runs)
            ref, kind, value = held
            spans = [*told.get(held, []), *told.get((former.get(ref, ref), kind, value), [])]
            latest = hold.ended[1] if hold.ended[1] is NEVER else hold.ended[1] + timedelta(minutes=5)
            if seen and not any(
                (span.began_after or BEGINNING) <= hold.ended[1]
                and (span.ended_by or NEVER) >= hold.began[0]
                and span.began_by <= latest
                for span in spans
            ):
                wrong.append(f"{held} from {hold.began[0]} to {hold.ended[1]} is not in the history")
    return wrong

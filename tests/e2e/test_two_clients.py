"""Two clients change a real MLflow server at once, while Waypost follows it in pages that are too small and its worker
killed again and again. Models that nobody touches stay as they are and nothing is told of them; nothing is told to be
gone that was not; once all is quiet, everything is equal.
"""

import random
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from federation import tables
from federation.catalogue import codec
from federation.database import reading, writing
from federation.journal.entry import Entry, decode
from federation.references import Reference, decode_part
from federation.sync import absence
from gateway.demo.servers import Server
from tests.adapters.mlflow.harness import client as mlflow_client
from tests.gateway.paper import SupervisedWorker, ask, finished, machine, problems
from tests.soak import soak

CONFIG = """
[[registries]]
name = "ml"
kind = "mlflow"
team = "t"
sync_every = 1
full_every = 20
config = {{ url = "{url}", model_page = 7, version_page = 20, overlap = 2 }}
"""
GUARDS = 6
NAMES = tuple(f"work {number}" for number in range(12))
LIFE = (2.0, 8.0)
"""Seconds a worker lives."""


@dataclass
class RandomClient:
    """Does things at random until told to stop; what does not work just now does not matter."""

    url: str
    rng: random.Random
    stopped: threading.Event
    gone: list[str] = field(default_factory=list)
    """References that were deleted or renamed away."""

    def work(self) -> None:
        client = mlflow_client(self.url)
        while not self.stopped.is_set():
            with suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                self.act(client)

    def act(self, client: Any) -> None:
        """One thing."""
        rng, name, other = self.rng, self.rng.choice(NAMES), self.rng.choice(NAMES)
        number = str(rng.randrange(1, 9))
        value = str(rng.random())
        doings: tuple[tuple[int, Callable[[], object]], ...] = (
            (3, lambda: client.create_registered_model(name, {"owner": value})),
            (
                8,
                lambda: client.create_model_version(
                    name, "s3://b/m", tags={"k": value}, await_creation_for=0
                ),
            ),
            (
                3,
                lambda: self.lose(
                    str(Reference("ml", name, number)), client.delete_model_version, name, number
                ),
            ),
            (1, lambda: self.lose(str(Reference("ml", name)), client.delete_registered_model, name)),
            (2, lambda: self.lose(str(Reference("ml", name)), client.rename_registered_model, name, other)),
            (3, lambda: client.set_registered_model_tag(name, "k", value)),
            (3, lambda: client.set_model_version_tag(name, number, "k", value)),
            (3, lambda: client.set_registered_model_alias(name, "champion", number)),
            (1, lambda: client.delete_registered_model_alias(name, "champion")),
            (
                2,
                lambda: client.transition_model_version_stage(
                    name, number, rng.choice(("Staging", "Production"))
                ),
            ),
            (3, lambda: client.update_registered_model(name, value)),
            (3, lambda: client.update_model_version(name, number, value)),
        )
        rng.choices([do for _, do in doings], [weight for weight, _ in doings])[0]()

    def lose(self, ref: str, call: Callable[..., object], *given: str) -> None:
        self.gone.append(ref)
        call(*given)


def guard(url: str) -> list[str]:
    """Models that nobody will touch, with everything that a torn page would lose; their names."""
    client = mlflow_client(url)
    names = [f"guard {number}" for number in range(GUARDS)]
    for name in names:
        client.create_registered_model(name, {"owner": "nobody"})
        for _ in range(3):
            client.create_model_version(name, "s3://b/m", tags={"k": "v"}, await_creation_for=0)
        client.set_registered_model_alias(name, "champion", "2")
    return names


def truth(url: str) -> dict[str, str]:
    """What the server has, as its own client reads it."""
    client, found = mlflow_client(url), {}
    for model in client.search_registered_models(max_results=1000):
        said = (model.description or "", sorted(model.tags.items()), sorted(model.aliases.items()))
        found[str(Reference("ml", model.name))] = repr(said)
    for version in client.search_model_versions(max_results=1000):
        what = (version.description or "", sorted(version.tags.items()), version.current_stage)
        found[str(Reference("ml", version.name, str(version.version)))] = repr(what)
    return found


def catalogue(engine: Engine) -> dict[str, str]:
    """What the catalogue has, in the same form."""
    found, models, versions = {}, tables.model.c, tables.version.c
    with reading(engine) as connection:
        for row in connection.execute(select(tables.model).where(models.deleted_at.is_(None))):
            model = codec.decode_model(row.body)
            said = (model.description or "", sorted(model.tags.items()), sorted(model.aliases.items()))
            found[str(Reference("ml", model.name))] = repr(said)
        query = select(versions.body, models.name).join(tables.model, models.id == versions.model_id)
        for row in connection.execute(query.where(versions.deleted_at.is_(None))):
            version = codec.decode_version(row.body)
            what = (version.description or "", sorted(version.tags.items()), version.stage)
            found[str(Reference("ml", decode_part(row.name), version.version))] = repr(what)
    return found


def told(engine: Engine) -> list[Entry]:
    """The entries about models and versions after the first sync."""
    with reading(engine) as connection:
        rows = connection.execute(select(tables.journal.c.entry).order_by(tables.journal.c.seq)).scalars()
        return [entry for row in rows if (entry := decode(row).entry).ref is not None]


@soak(sample=2, full=1_800, batch=1_800)
def test_two_clients_and_a_worker_that_dies(
    cases: int, seed: int, mlflow_server: Server, tmp_path: Path
) -> list[str]:
    guards = guard(mlflow_server.url)
    config = CONFIG.format(url=mlflow_server.url)
    folder = tmp_path / f"machine-{seed}"
    with machine(folder, config, f"sqlite:///{folder / 'waypost.db'}") as running:
        finished(running.engine, ask(running.engine, "ml"))
        known = {ref: said for ref, said in catalogue(running.engine).items() if "guard" in ref}
        gone = disturbed(running, mlflow_server.url, random.Random(seed), cases)
        finished(running.engine, ask(running.engine, "ml"))
        # What was deleted while no worker lived for long is missing all at once, which a person looks at first.
        with writing(running.engine) as connection:
            absence.confirm(connection, 1)
        ended = [finished(running.engine, ask(running.engine, "ml")) for _ in range(2)]
        # The server cannot read the files that these versions name, which is said of each and is nothing of a run's.
        wrong = [
            f"a run ended {row.state}: {row.errors}"
            for row in ended
            if row.state != "ok" and not all("known in part" in one for one in row.errors)
        ]
        there, seen = truth(mlflow_server.url), catalogue(running.engine)
        different = [ref for ref in sorted({*there, *seen}) if there.get(ref) != seen.get(ref)]
        wrong += [f"{ref} is {seen.get(ref)}, not {there.get(ref)}" for ref in different]
        entries = told(running.engine)
        wrong += [f"{e.action} of {e.ref}, which nobody touched" for e in entries if "guard" in str(e.ref)]
        wrong += [f"{e.action} of {e.ref}, which nobody deleted" for e in entries if is_phantom(e, gone)]
        wrong += (
            []
            if all(seen.get(ref) == said for ref, said in known.items()) and guards
            else ["a guard changed"]
        )
        return wrong + problems(running.engine)


def is_phantom(entry: Entry, gone: set[str]) -> bool:
    """Whether it tells of a delete that nobody made, of the version or of its model."""
    ref = str(entry.ref)
    return entry.action in ("model.deleted", "version.deleted") and not {ref, ref.rpartition(":")[0]} & gone


def disturbed(running: SupervisedWorker, url: str, rng: random.Random, seconds: int) -> set[str]:
    """Two clients at work for so many seconds, and a worker that never lives long; what they made go."""
    stopped = threading.Event()
    clients = [RandomClient(url, random.Random(rng.random()), stopped) for _ in range(2)]
    threads = [threading.Thread(target=client.work) for client in clients]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    try:
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, rng.uniform(*LIFE)))
            running.kill()
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    return {ref for client in clients for ref in client.gone}

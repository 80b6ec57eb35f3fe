"""One story in which everything happens that the journal documents, through commands and the door alone."""

import gc
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adapters import (
    EndpointRecord,
    InvalidError,
    Key,
    Record,
    Traffic,
    TransientError,
)
from adapters.memory import MemoryAdapter
from federation import schema, tables
from federation.access import LOCAL
from federation.database import open_engine, reading, writing
from federation.identity import sessions
from federation.identity.people import Person
from federation.journal import log
from federation.journal.actions import Action
from federation.leases import Leases
from gateway.cli import run
from tests.federation.events.test_webhooks import SPEC, WebhookWorld
from tests.federation.operations.world import hurry
from tests.federation.promotions.told import happen
from tests.federation.promotions.world import make_promotions_world
from tests.federation.sync.test_renames import NamedBackend, succeeds
from tests.federation.sync.world import make_world
from tests.gateway.access.gate import Gate, gate
from tests.gateway.access.test_sign_in import SAME, signed_in
from tests.servers.blank import opened as open_blank

DOOR = '[auth]\nmode = "token"\n[audit]\nwitnesses = [{witnesses}]\n'
REGISTRY = '[[registries]]\nname = "{name}"\nkind = "memory"\nteam = "{team}"\nwritable = true\n{more}'
MANY = 15
"""So many models that it is told, not believed, when all of them are missing at once."""


class Story:
    """A folder with its gateway, and the backend that things happen on."""

    def __init__(self, folder: Path, printed: pytest.CaptureFixture[str]) -> None:
        self.folder, self.file, self.printed = folder, folder / "waypost.toml", printed
        self.world = make_world(f"sqlite:///{folder / 'waypost.db'}", writable=True)
        self.backend = self.world.backend
        self.configure()

    def configure(
        self, *, name: str = "memory", team: str = "risk", more: str = "", witness: bool = True
    ) -> None:
        """Write the file; without a `name` it has no registry."""
        text = DOOR.format(witnesses='"disk"' if witness else "")
        if name:
            text += REGISTRY.format(name=name, team=team, more=more)
            text += f'config = {{ backend = "{self.world.registry().config["backend"]}" }}\n'
        self.file.write_text(text)

    def run(self, *words: str) -> int:
        """The exit code of a command. What the one before it left goes first, as it does with a process."""
        gc.collect()
        return run(["--config", str(self.file), *words])

    def done(self, *words: str) -> Any:
        """What a command that succeeds prints as JSON."""
        self.printed.readouterr()
        code = self.run("--json", *words)
        said = self.printed.readouterr()
        assert code == 0, f"{words}: {said.err}"
        return json.loads(said.out or "null")

    def told(self) -> set[str]:
        """The actions in the logs."""
        found = set[str]()
        for file in self.folder.rglob("*.db"):
            engine = open_engine(f"sqlite:///{file}")
            with reading(engine) as connection:
                found |= set(connection.execute(select(tables.journal.c.action)).scalars())
            engine.dispose()
        return found


@pytest.fixture
def story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Story]:
    monkeypatch.chdir(tmp_path)
    hurry(monkeypatch)
    made = Story(tmp_path, capsys)
    yield made
    made.world.close()


def observed(story: Story, _: pytest.MonkeyPatch) -> None:
    """Records appear, change, go and come back."""
    backend = story.backend
    model, kept = backend.model("scorer", tags={"a": "1"}), backend.model("kept")
    first = backend.add_version(model, "1", stage="None")
    backend.add_version(kept, "1", stage="None")
    story.world.sync()

    served = EndpointRecord(key=Key("endpoint", "e"), name="e", traffic=(Traffic(first.key, 100.0),))
    second = backend.add_version(model, "2", stage="None")
    late = backend.model("late")
    for record in (
        served,
        replace(model, description="a scorer", aliases={"blue": "1"}),
        replace(first, tags={"b": "2"}),
    ):
        backend.put(record)
    story.world.sync()

    backend.put(replace(served, traffic=(Traffic(second.key, 100.0),)))
    backend.put(replace(first, stage="Production"))
    backend.put(replace(model, aliases={"blue": "2"}))
    story.world.sync()

    backend.put(replace(model, aliases={}))
    for key in (second.key, served.key, late.key):
        backend.drop(key)
    story.world.sync(full=True)
    for back in (late, second, served):
        backend.put(back)
    story.world.sync(full=True)


def renamed(story: Story, patch: pytest.MonkeyPatch) -> None:
    """A model has another name; its versions have other keys."""
    patch.setattr(MemoryAdapter, "succeeds", succeeds)
    registry = NamedBackend(story.world)
    scorer = registry.model("former", "1", "2")
    story.world.sync()
    registry.rename(scorer, "present")
    story.world.sync(full=True)


def held(story: Story, _: pytest.MonkeyPatch) -> None:
    """All of many records are missing: once by a mistake, once for good."""
    backend = story.backend
    for number in range(MANY):
        backend.model(f"m{number}")
    story.world.sync()
    everything, changed = dict(backend.records), dict(backend.changed)
    for there in (everything, {}):
        backend.records.clear()
        backend.changed.clear()
        story.world.sync(full=True)
        backend.records.update(there)
        backend.changed.update(changed if there else {})
        if not there:
            story.done("registries", "confirm", "memory")
        story.world.sync(full=True)


def set_aside(story: Story, _: pytest.MonkeyPatch) -> None:
    """A record cannot be read, and then it can."""
    model = story.backend.model("odd")
    version = story.backend.add_version(model, "")
    story.world.sync()
    story.backend.put(replace(version, version="1"))
    story.world.sync()


def replaced(story: Story, _: pytest.MonkeyPatch) -> None:
    """Another backend answers; somebody says that it is the same."""
    story.backend.identity = "restored"
    assert story.run("sync") != 0
    story.done("registries", "confirm", "memory", "--identity")
    story.world.sync(full=True)


def asked(story: Story, patch: pytest.MonkeyPatch) -> None:
    """Changes are asked for: one is made, one refused, one made in part, and of one nobody knows for a while."""
    model = story.backend.model("asked")
    story.backend.add_version(model, "1", stage="None")
    story.world.sync()
    refused = set[str]()
    lost = [True]
    take = MemoryAdapter.set_tags

    def one_by_one(
        self: MemoryAdapter, key: Key, tags: Mapping[str, str | None], *, etag: str | None = None
    ) -> Record:
        record = self.get(key)
        for name, value in sorted(tags.items()):
            if name in refused:
                raise InvalidError(f"the tag {name} is not allowed here")
            record = take(self, key, {name: value})
            if name == "lost" and lost.pop():
                raise TransientError("the line was cut")
        return record

    patch.setattr(MemoryAdapter, "set_tags", one_by_one)
    story.done("set", "memory/asked:1", "--tag", "fine=1")
    story.done("set", "memory/asked:1", "--tag", "lost=1")
    refused |= {"b"}
    for tags in (("--tag", "b=1"), ("--tag", "a=1", "--tag", "b=1")):
        assert story.run("set", "memory/asked:1", *tags) == 1
    edge = story.done("dependencies", "declare", "memory/asked:1", "memory/odd:1")
    story.done("dependencies", "withdraw", str(edge["id"]))


def let_in(story: Story, _: pytest.MonkeyPatch) -> None:
    """People and tokens are let in, refused, and put out."""
    story.done("token", "create", "ci", "--role", "viewer")
    grant = story.done("grants", "add", "--token", "ci", "--role", "contributor", "--on", "registry:memory")
    story.done("grants", "remove", str(grant["id"]))
    story.done("principals", "disable", "token:ci")
    story.done("principals", "enable", "token:ci")
    (door := story.folder / "door").mkdir()
    with gate(door) as guarded:
        at_the_door(guarded)
    story.done("token", "revoke", "ci")


def at_the_door(guarded: Gate) -> None:
    """Somebody signs in and out, some are refused, and the provider says other groups than before."""
    token = guarded.token("browser", ("viewer", "*"))
    browser = signed_in(guarded, token)
    assert guarded.ask("POST", "/auth/logout", headers={**browser, **SAME}).status_code == 303
    assert guarded.ask("POST", "/sign-in", data={"token": "wp_nothing"}, headers=SAME).status_code == 401
    assert guarded.ask("GET", "/api/v1/audit", token=token).status_code == 403
    assert guarded.ask("GET", "/api/v1/search").status_code == 401
    for groups in (("ml",), ("ml", "risk")):
        with writing(guarded.waypost.engine) as connection:
            sessions.begin_as_person(connection, Person("42", "Somebody", groups), timedelta(hours=1))


def proven(story: Story, _: pytest.MonkeyPatch) -> None:
    """The log is signed, witnessed, exported, sealed and restored from an old copy."""
    story.done("audit", "rotate")
    story.done("audit", "export", "--output", "x.jsonl")
    story.done("audit", "erase", "Somebody", "--yes")
    story.world.engine.dispose()  # what is open would write over the copy
    database, copy = story.folder / "waypost.db", story.folder / "copy.db"
    shutil.copy(database, copy)
    for name in ("one", "two"):
        story.done("token", "create", name)
        story.done("audit", "export", "--output", f"{name}.jsonl")
    shutil.copy(copy, database)
    story.done("token", "create", "other")
    assert story.run("audit", "rotate") != 0
    story.done("audit", "resume")
    story.done("audit", "export", "--output", "y.jsonl")
    story.configure(witness=False)
    story.done("token", "create", "last")
    story.done("audit", "export", "--output", "z.jsonl")


def sealed(story: Story, _: pytest.MonkeyPatch) -> None:
    """Old entries go into an archive."""
    story.done("audit", "seal", "--before", "2100-01-01")


def configured(story: Story, _: pytest.MonkeyPatch) -> None:
    """The registry is configured otherwise, under another name, not at all, again, and never again."""
    as_before = 'former_names = ["memory"]\n'
    for name, team, more in (
        ("memory", "ads", ""), ("ads", "ads", as_before), ("", "", ""), ("ads", "ads", ""), ("", "", ""),
    ):  # fmt: skip
        story.configure(name=name, team=team, more=more)
        story.done("registries", "apply")
    story.done("registries", "forget", "ads", "--yes")


def migrated(story: Story, _: pytest.MonkeyPatch) -> None:
    """A database of the first schema is brought to the newest."""
    from alembic import command
    from alembic.script import ScriptDirectory

    engine = open_engine(f"sqlite:///{story.folder / 'former.db'}")
    with writing(engine) as connection:
        config = schema.alembic_config(connection)
        command.upgrade(config, next(iter(ScriptDirectory.from_config(config).get_bases())))
        log.start(connection)
    schema.migrate(engine)
    engine.dispose()


def backed_up(story: Story, _: pytest.MonkeyPatch) -> None:
    """What was backed up is put back somewhere else, through the commands."""
    copy = story.folder / "copy.backup"
    made = story.done("backup", str(copy))
    text = story.file.read_text()
    with story.file.open("a") as file:
        file.write(f'[database]\nurl = "sqlite:///{story.folder / "back.db"}"\n')
    assert story.done("restore", "--dry-run", str(copy)) == made
    assert story.done("restore", str(copy))["entries"] == made["entries"]
    assert story.run("restore", str(copy)) != 0
    story.file.write_text(text)


def promoted(story: Story, patch: pytest.MonkeyPatch) -> None:
    """Policies come and go, and promotions end in every way."""
    world = make_promotions_world(f"sqlite:///{story.folder / 'promotions.db'}")
    happen(world, patch)
    world.operations.close()


def kept(story: Story, _: pytest.MonkeyPatch) -> None:
    """A search is kept for a while; a model is deprecated, and then it is not."""
    story.done("searches", "save", "mine", "encoder")
    story.done("searches", "remove", "mine")
    story.done("deprecate", "memory/asked", "--until", "2100-01-01")
    story.done("deprecate", "memory/asked", "--reinstate")


def sent(story: Story, _: pytest.MonkeyPatch) -> None:
    """Webhooks come, change and go; one takes nothing."""
    world = WebhookWorld(open_blank(f"sqlite:///{story.folder / 'events.db'}"))
    webhooks = world.events.webhooks
    webhooks.apply([SPEC])
    webhooks.apply([replace(SPEC, url="https://other.example/in")])
    made, _secret = webhooks.create(LOCAL, SPEC)
    webhooks.rotate(LOCAL, made.id, timedelta())
    world.receiver.fails = {"fraud/churn:1"}
    world.happen("1")
    webhooks.sender(Leases("two"), retries=()).turn(made.id)
    webhooks.replay(LOCAL, made.id, after=None, since=None, dead=True)
    webhooks.remove(LOCAL, made.id)
    world.engine.dispose()


CHAPTERS = (
    observed, renamed, held, set_aside, replaced, asked, kept, sent, promoted, let_in, proven, configured, migrated,
    backed_up, sealed,
)  # fmt: skip


def test_everything_that_the_journal_documents_is_written_when_it_happens(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: set[str] = set()
    for chapter in CHAPTERS:
        with monkeypatch.context() as patch:
            chapter(story, patch)
        told |= story.told()  # a later chapter puts an older database back, or moves entries away
    assert sorted(action.value for action in Action if action.value not in told) == []

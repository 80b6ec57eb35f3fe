"""A version is registered in another registry: once, with its files, tags, statements and what it comes from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from adapters.memory import BACKENDS, MemoryBackend
from federation import tables
from federation.access import EVERYTHING, LOCAL, View
from federation.artifacts import process
from federation.artifacts.artifacts import ArtifactCopier
from federation.artifacts.stores import is_below
from federation.artifacts.words import Copied, CopyOrder, CopyWord
from federation.catalogue.reader import read_version
from federation.database import reading, writing
from federation.errors import DeniedError, InvalidRequestError, StateError, UnknownError
from federation.followers import Followers
from federation.graph.follower import GraphFollower
from federation.graph.tables import dependency
from federation.leases import Leases
from federation.operations.run import OperationContext, work
from federation.policies.policies import Policy, Quorum
from federation.promotions.crossing import Crossings
from federation.promotions.promotions import PromotionOrigin
from federation.references import parse
from federation.registries import configured
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from federation.statements.statements import Statements
from tests.federation.operations.world import STAGES, hurry
from tests.federation.promotions.world import PromotionsWorld, make_promotions_world, version

FILES = {"MLmodel": b"flavors: {}", "data/model.bin": bytes(range(256)) * 99}


class Border:
    """A world with a second registry, `prod`, and a copier that can die."""

    def __init__(self, world: PromotionsWorld, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.graph = GraphFollower(world.engine, folder / "graph")
        self.backend = BACKENDS[f"prod-{id(self)}"] = MemoryBackend(identity=f"prod-{id(self)}")
        self.copied: list[str] = []
        self.dies_after: int | None = None
        self.configure(artifacts=True)

    def configure(self, *, artifacts: bool) -> None:
        """Apply both registries, with folders for artifacts or without."""
        sync, specs = self.world.operations.sync, []
        for name, backend in (
            ("memory", sync.registry().config["backend"]),
            ("prod", next(key for key, one in BACKENDS.items() if one is self.backend)),
        ):
            config: dict[str, Any] = {"backend": backend}
            if artifacts:
                config["artifacts"] = [f"file://{self.folder / name}"]
            specs.append(
                RegistrySpec(
                    name=name, kind="memory", team="risk", config=config, writable=True, stages=STAGES
                )
            )
        with writing(self.world.engine) as connection:
            configured.apply(connection, specs)

    def copy(self, order: CopyOrder, keep: Any) -> CopyWord:
        """As the process does, in this one."""
        last = [CopyWord(failed="it was killed")]

        def say(said: CopyWord) -> None:
            if said.file is None:
                last[0] = said
                return
            self.copied.append(said.path)
            keep(said)
            if self.dies_after is not None and len(self.copied) >= self.dies_after:
                raise KeyboardInterrupt

        try:
            process.run(order, say)
        except KeyboardInterrupt:
            self.dies_after = None
        return last[0]

    def settle(self) -> None:
        """Work in both registries until nothing moves."""
        world = self.world
        world.outside.copy = Crossings(world.engine, world.operations.sync.adapters, self.copy)
        for _ in range(12):
            world.hurry()
            world.step()
            context = OperationContext(
                world.engine, Connections(world.operations.sync.adapters), Leases("worker")
            )
            work(context, self.id("prod"))
            world.operations.work()
            Followers({"graph": self.graph}).catch_up()
            if not world.moving():
                return

    def id(self, name: str) -> int:
        """The id of a registry."""
        with reading(self.world.engine) as connection:
            query = select(tables.registry.c.id).where(tables.registry.c.name == name)
            return int(connection.execute(query).scalar_one())

    def put(self) -> None:
        """Version 2 has files, and tags of which one decides a stage."""
        where = self.folder / "memory" / "m" / "2"
        for path, content in FILES.items():
            (where / path).parent.mkdir(parents=True, exist_ok=True)
            (where / path).write_bytes(content)
        sync = self.world.operations.sync
        tags = {
            "task": "scoring",
            "env": "staging",
            "memory.own": "1",
            "depends_on": "m:1 prod/base@best",
        }
        sync.change(sync.version("m", "2"), artifact_uri=f"file://{where}", tags=tags, description="better")
        sync.sync()


@pytest.fixture
def border(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Border]:
    pytest.importorskip("obstore")
    hurry(monkeypatch)
    world = make_promotions_world(database)
    made = Border(world, tmp_path)
    made.put()
    yield made
    world.operations.close()


def test_a_version_comes_with_all_that_belongs_to_it(border: Border) -> None:
    world, face = border.world, border.world.promotions
    checked = b'{"maker": "ci", "name": "validation", "verdict": "yes"}'
    Statements(world.engine).state(LOCAL, version("2"), "check", checked)
    world.apply(Policy("guard", "registry:prod", approvals=(Quorum(1),)))
    plan = face.plan(LOCAL, version("2"), "production", into="prod")
    assert [(one.name, one.verdict, one.seen) for one in plan.checks] == [
        ("artifacts", "yes", "they are copied")
    ]
    ann = world.person("ann", "approver")
    seen = face.propose_into(ann, version("2"), "prod/scorer", "production", "better")
    border.settle()
    found = face.show(EVERYTHING, seen.promotion.id).promotion
    assert found.crossing is not None
    assert (found.state, found.crossing.made, len(found.crossing.files)) == ("done", "prod/scorer:1", 2)
    with reading(world.engine) as connection:
        made = read_version(connection, EVERYTHING, parse("prod/scorer:1"))
        edges = connection.execute(
            select(dependency.c.consumer, dependency.c.provider, dependency.c.kind)
        ).all()
    folder = Path(str(made.record.artifact_uri).removeprefix("file://"))
    assert {path: (folder / path).read_bytes() for path in FILES} == FILES
    assert made.record.tags == {
        "task": "scoring", "depends_on": "memory/m:1, prod/base@best",
        "waypost.from": "memory/m:2", "waypost.artifact": found.crossing.digest,
    }  # fmt: skip
    assert [tuple(one) for one in edges] == [("prod/scorer:1", "memory/m:2", "derived_from")]
    assert [one.kind for one in Statements(world.engine).of(EVERYTHING, parse("prod/scorer:1"))] == ["check"]
    then = face.show(EVERYTHING, found.crossing.then or 0)
    assert (then.promotion.ref, then.promotion.state, then.promotion.to) == (
        "prod/scorer:1",
        "waiting",
        "production",
    )
    assert then.origin == PromotionOrigin(found.id, "memory/m:2")
    assert face.show(View.of([border.id("prod")]), then.promotion.id).origin is None
    assert face.show(EVERYTHING, found.id).origin is None
    assert then.judgement is not None
    assert [one.policy for one in then.judgement.needs] == ["guard"]
    again = face.propose_into(ann, version("2"), "prod/scorer", "production", "again")
    assert again.promotion.id == found.id
    blind = face.show(View.of([border.id("memory")]), found.id).promotion
    assert (blind.state, blind.crossing) == ("done", None)
    assert len(border.backend.records) == 2


def test_a_copy_that_was_killed_goes_on_where_it_was(border: Border) -> None:
    border.dies_after = 1
    seen = border.world.promotions.propose_into(LOCAL, version("2"), "prod", "none", "better")
    border.settle()
    assert border.world.state(seen) == "done"
    assert sorted(border.copied) == sorted(FILES)  # each once


def test_where_nobody_copies_the_address_is_registered_and_said(border: Border) -> None:
    border.configure(artifacts=False)
    seen = border.world.promotions.propose_into(LOCAL, version("2"), "prod", "none", "better")
    border.settle()
    found = border.world.promotions.show(EVERYTHING, seen.promotion.id).promotion
    assert found.crossing is not None
    assert (found.state, found.crossing.digest) == ("done", "")
    assert "gives no artifacts away" in found.crossing.reference
    with pytest.raises(StateError, match="it is not known"):
        border.world.promotions.propose_into(LOCAL, version("3"), "prod", "none", "better")


def test_who_may_not_and_what_cannot_is_refused(border: Border) -> None:
    world, face = border.world, border.world.promotions
    with pytest.raises(DeniedError):
        face.propose_into(world.person("con", "contributor"), version("2"), "prod", "none", "better")
    with pytest.raises(UnknownError, match=r"has this name: it may be prod$"):
        face.propose_into(LOCAL, version("2"), "nowhere", "none", "better")
    with pytest.raises(InvalidRequestError, match="already"):
        face.propose_into(LOCAL, version("2"), "memory", "none", "better")
    sync = world.operations.sync
    sync.change(sync.version("m", "3"), artifact_uri="file:///etc")
    sync.sync()
    seen = face.propose_into(LOCAL, version("3"), "prod", "none", "better")
    border.settle()
    found = face.show(EVERYTHING, seen.promotion.id).promotion
    assert found.crossing is not None
    assert (found.state, found.crossing.files) == (
        "done",
        {},
    )  # what lies elsewhere is not read: its address is told
    assert found.crossing.reference.startswith("adapter memory cannot read")


def test_the_process_copies_and_what_is_not_below_is_not_read(border: Border) -> None:
    order: list[CopyOrder] = []

    def taken(one: CopyOrder, keep: Any) -> CopyWord:
        order.append(one)
        return CopyWord(failed="not now")

    seen = border.world.promotions.propose_into(LOCAL, version("2"), "prod", "none", "better")
    border.world.step()
    Crossings(border.world.engine, border.world.operations.sync.adapters, taken)(seen.promotion.id)
    kept: dict[str, Copied | None] = {}
    another = msgspec.structs.replace(order[0], token="another")
    said = ArtifactCopier()(another, lambda one: kept.update({one.path: one.file}))
    assert (said.failed, said.unable, said.refused, sorted(kept)) == ("", "", "", sorted(FILES))
    assert said.digest.startswith("sha256:")
    assert is_below("s3://b/models/m", "s3://b/models/")
    for odd in ("s3://b/models", "s3://b/models/../x", "s3://b/models/%2e%2e/x", "s3://b/modelsx/m", "s3://c/models/m",
                "file:///b/models/m", "s3://b/models/m?x", "s3://b/models//m"):  # fmt: skip
        assert not is_below(odd, "s3://b/models"), odd

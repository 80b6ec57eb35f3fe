"""Histories of changes, other people's changes, syncs, deaths and cut lines: afterwards everything agrees."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from sqlalchemy import update

from adapters import Mark, Page
from federation import tables
from federation.database import writing
from federation.errors import GoneError, InvalidRequestError, StateError, UnknownError
from federation.operations.asking import Become, RequestedChange
from federation.operations.wanted import Delete, Register, SetAlias, SetTags, from_json
from federation.references import Reference
from tests.federation.operations.world import (
    POINTS,
    CutOffAdapter,
    OperationsWorld,
    hurry,
    make_operations_world,
)
from tests.soak import explore, soak

MODELS, VERSIONS, NAMES, VALUES = ("a", "b"), ("1", "2", "3"), ("red", "blue"), ("x", "y", None)
THEIRS = "theirs"
"""A tag and an alias that only somebody else writes."""


class Operations(RuleBasedStateMachine):
    """One registry, its worker, and somebody else who changes the backend itself."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world: OperationsWorld = make_operations_world(
            f"sqlite:///{Path(self.folder.name) / 'waypost.db'}"
        )
        self.keys = 0

    @initialize()
    def begin(self) -> None:
        for name in MODELS:
            self.world.sync.model(name, "1", "2")
        self.world.sync.sync()

    @rule(
        model=st.sampled_from(MODELS), name=st.sampled_from(NAMES), version=st.sampled_from((*VERSIONS, None))
    )
    def alias(self, model: str, name: str, version: str | None) -> None:
        self.ask(RequestedChange(Reference("memory", model), SetAlias(name, version)))

    @rule(model=st.sampled_from(MODELS), version=st.sampled_from(VERSIONS), name=st.sampled_from(NAMES),
          value=st.sampled_from(VALUES))  # fmt: skip
    def tag(self, model: str, version: str, name: str, value: str | None) -> None:
        self.ask(RequestedChange(Reference("memory", model, version), SetTags({name: value})))

    @rule(model=st.sampled_from(MODELS), version=st.sampled_from(VERSIONS))
    def promote(self, model: str, version: str) -> None:
        self.ask(RequestedChange(Reference("memory", model, version), Become("production")))

    @rule(model=st.sampled_from(MODELS))
    def register(self, model: str) -> None:
        self.ask(RequestedChange(Reference("memory", model), Register(model, "s3://bucket/new")))

    @rule(model=st.sampled_from(MODELS), version=st.sampled_from(VERSIONS))
    def delete(self, model: str, version: str) -> None:
        self.ask(RequestedChange(Reference("memory", model, version), Delete(), of="version"))

    @rule(
        point=st.sampled_from((*POINTS, None)),
        lines=st.lists(st.sampled_from(["fine", "lost-before", "lost-after"]), max_size=3),
    )
    def work(self, point: str | None, lines: list[str]) -> None:
        self.world.faults.sends = list(lines)
        self.world.work(die_at=point)
        self.world.faults.sends = []

    @rule()
    def sync(self) -> None:
        self.world.sync.sync()

    @rule(point=st.sampled_from((*POINTS, None)))
    def work_while_a_sync_has_its_page(self, point: str | None) -> None:
        self.world.faults.listed = lambda: self.world.work(die_at=point)
        try:
            self.world.sync.sync(full=True)
        finally:
            self.world.faults.listed = lambda: None

    @rule(model=st.sampled_from(MODELS), value=st.sampled_from("pqr"))
    def somebody_else_writes(self, model: str, value: str) -> None:
        backend = self.world.sync.backend
        found = backend.named(model)
        if found is not None:
            self.world.sync.change(found, tags={**found.tags, THEIRS: value})
            for version in backend.versions(found.key):
                self.world.sync.change(version, tags={**version.tags, THEIRS: value})

    def ask(self, ask: RequestedChange) -> None:
        self.keys += 1
        try:
            self.world.ask(ask, f"key-{self.keys}")
        except (InvalidRequestError, StateError, UnknownError, GoneError):
            return

    def teardown(self) -> None:
        try:
            self.world.settle()
            self.world.sync.sync(full=True)
            assert self.world.problems() == []
            assert self.wrong() == []
        finally:
            self.world.close()
            self.folder.cleanup()

    def wrong(self) -> list[str]:
        """What the backend holds and the last change that succeeded did not ask for."""
        wanted: dict[tuple[str, str], str | None] = {}
        for row in self.world.operations():
            asked = from_json(row.wanted)
            if row.state == "ok" and isinstance(asked, SetAlias):
                wanted[row.native_id, f"alias {asked.alias}"] = asked.version
            elif row.state == "ok" and isinstance(asked, SetTags):
                wanted |= {(row.native_id, f"tag {name}"): value for name, value in asked.tags.items()}
        found: dict[tuple[str, str], str | None] = {}
        for record in self.world.sync.backend.records.values():
            for kind in ("alias", "tag"):
                held = getattr(record, {"alias": "aliases", "tag": "tags"}[kind], {})
                found |= {(record.key.native_id, f"{kind} {name}"): value for name, value in held.items()}
        there = {record.key.native_id for record in self.world.sync.backend.records.values()}
        return [
            f"{key} is {found.get(key)}, wanted was {value}"
            for key, value in wanted.items()
            if key[0] in there and found.get(key) != value
        ]


@soak(sample=4, full=3_000)
def test_histories_of_operations_agree(cases: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    hurry(monkeypatch)
    return explore(Operations, cases, seed, stateful_step_count=20)


def test_a_sync_that_fetched_before_does_not_take_a_change_back(world: OperationsWorld) -> None:
    world.ask(RequestedChange(Reference("memory", "m"), SetAlias("blue", "2")))
    world.faults.listed = world.work
    world.sync.sync(full=True)
    world.faults.listed = lambda: None
    told = [action for action in world.sync.actions() if action.startswith(("alias.", "operation."))]
    assert told == ["operation.requested", "alias.set", "operation.succeeded"]
    entry = next(entry for entry in world.sync.entries() if str(entry.action) == "alias.set")
    assert entry.actor == "local"
    assert world.problems() == []


def test_a_page_that_was_read_ahead_does_not_take_a_change_back(
    world: OperationsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter may have read a page long before it gives it; the operation runs in between."""
    world.sync.change(world.sync.version("m", "1"), tags={"owner": "you"})
    world.sync.sync()
    listing = CutOffAdapter.scan

    def scan(adapter: CutOffAdapter, *, since: str | None, limit: int, resume: Mark | None) -> Iterator[Page]:
        world.sync.context.wrote = act
        yield from [*listing(adapter, since=since, limit=1)]

    def act() -> None:
        world.sync.context.wrote = lambda: None
        world.ask(RequestedChange(Reference("memory", "m", "1"), SetTags({"owner": "me"})))
        world.work()

    monkeypatch.setattr(CutOffAdapter, "scan", scan)
    world.sync.sync(full=True)
    told = [entry.actor for entry in world.sync.entries() if str(entry.action) == "version.changed"]
    assert told == ["system", "local"]
    assert world.problems() == []


def test_what_somebody_changes_after_an_operation_is_seen_by_the_next_run(
    world: OperationsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it was listed before or after the operation read it back, nobody knows."""
    listing = CutOffAdapter.scan

    def scan(adapter: CutOffAdapter, *, since: str | None, limit: int, resume: Mark | None) -> Iterator[Page]:
        if not world.operations():
            world.ask(RequestedChange(Reference("memory", "m", "1"), SetTags({"owner": "me"})))
            world.work()
            world.sync.change(world.sync.version("m", "1"), tags={"owner": "they"})
        yield from listing(adapter, since=since, limit=limit, resume=resume)

    with writing(world.sync.engine) as connection:
        connection.execute(update(tables.registry).values(full_seconds=1e6))  # none but incremental runs
    monkeypatch.setattr(CutOffAdapter, "scan", scan)
    world.sync.sync()
    world.sync.sync()
    assert world.problems() == []

"""Unknown is not absent: what a listing suddenly lacks is asked for before it is believed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from adapters import AuthError, Key, Lineage, Page, Record, Traffic, TransientError
from adapters.records import EndpointRecord, ModelRecord, VersionRecord
from federation import tables
from federation.sync import doubts
from tests.federation.sync.world import World, relist

Tear = Callable[[Record], Record]
TEARS: dict[str, Tear] = {
    "tags": lambda r: replace(r, tags={}) if not isinstance(r, EndpointRecord) else r,
    "aliases": lambda r: replace(r, aliases={}) if isinstance(r, ModelRecord) else r,
    "stage": lambda r: replace(r, stage=None) if isinstance(r, VersionRecord) else r,
    "metrics": lambda r: replace(r, metrics={}, params={}) if isinstance(r, VersionRecord) else r,
    "commit": lambda r: replace(r, lineage=Lineage(run_id="r")) if isinstance(r, VersionRecord) else r,
    "the run": lambda r: replace(r, native={"name": "m"}) if isinstance(r, VersionRecord) else r,
    "traffic": lambda r: replace(r, traffic=()) if isinstance(r, EndpointRecord) else r,
}


def _tear(world: World, monkeypatch: pytest.MonkeyPatch, tear: Tear) -> None:
    """From now on listings give records torn; `get` gives them whole."""
    world.context.connections.close()  # what is open already keeps its methods
    relist(monkeypatch, lambda page: replace(page, records=tuple(map(tear, page.records))))  # type: ignore[arg-type]


def _furnish(world: World) -> None:
    model = world.model("m", "1")
    world.change(model, aliases={"champion": "1"}, tags={"owner": "a"})
    version = world.version("m", "1")
    world.change(
        version,
        stage="Staging",
        tags={"depends_on": "enc:1"},
        metrics={"auc": 0.9},
        params={"depth": "3"},
        lineage=Lineage(run_id="r", commit="abc"),
        native={"name": "m", "run": {"info": 1}},
    )
    share = Traffic(version.key, 100.0)
    world.backend.put(EndpointRecord(key=Key("endpoint", "e"), name="e", traffic=(share,)))


@pytest.mark.parametrize("what", TEARS)
def test_what_a_listing_lacks_as_a_whole_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    _furnish(world)
    world.sync()
    before = world.rows(tables.head)[0]
    _tear(world, monkeypatch, TEARS[what])
    assert world.sync(full=True) == "ok"
    assert world.rows(tables.head)[0] == before
    assert world.living() == world.truth()


def test_what_is_gone_for_true_is_told_in_the_same_run(world: World) -> None:
    model = world.model("m", "1", aliases={"champion": "1"})
    world.sync()
    world.change(model, aliases={})
    assert world.sync() == "ok"
    assert world.actions().count("alias.removed") == 1
    assert world.living() == world.truth()
    assert world.problems() == []


def test_what_cannot_be_asked_for_stays_as_known_and_the_run_counts_for_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "MOST_ASKED", 2)
    models = [world.model(f"m{number}", "1", tags={"owner": "a"}) for number in range(3)]
    world.sync()
    known = world.registry()
    for model in models:
        world.change(model, tags={})
    assert world.sync(full=True) == "partial"
    row = world.registry()
    assert "1 records came without what they had (tags)" in row.last_error
    moved = ("watermark", "last_success_at", "last_full_at")
    assert [getattr(row, name) for name in moved] == [getattr(known, name) for name in moved]
    assert len(world.living().items() - world.truth().items()) == 1
    assert world.sync() == "ok"
    assert world.living() == world.truth()


def test_who_may_list_but_not_get_is_told_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _furnish(world)
    world.sync()
    there = world.living()

    def refuse(call: str) -> None:
        if call == "get":
            raise AuthError("not allowed")

    _tear(world, monkeypatch, TEARS["aliases"])
    world.backend.before = refuse
    assert world.sync(full=True) == "partial"
    assert "could not be asked for" in world.registry().last_error
    assert world.living() == there


def test_a_fault_while_asking_costs_nothing_but_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = world.model("m", "1", tags={"owner": "a"})
    world.sync()

    def stumble(call: str) -> None:
        if call == "get":
            raise TransientError("busy")

    world.change(model, tags={})
    world.backend.before = stumble
    assert world.sync() == "failed"
    world.backend.before = lambda call: None
    assert world.sync() == "ok"
    assert world.living() == world.truth()


def test_a_version_whose_model_a_listing_left_out_brings_it_along(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sync()
    world.context.connections.close()

    def without_models(page: Page) -> Page:
        return replace(page, records=tuple(r for r in page.records if isinstance(r, VersionRecord)))

    relist(monkeypatch, without_models)
    world.model("m", "1", "2")
    assert world.sync() == "ok"
    assert world.rows(tables.quarantine) == []
    assert world.living() == world.truth()


def test_a_version_that_is_gone_with_its_model_is_not_set_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sync()
    world.context.connections.close()
    ghost = VersionRecord(key=Key("version", "ghost"), model=Key("model", "gone"), version="1")
    relist(monkeypatch, lambda page: replace(page, records=(*page.records, ghost)))
    assert world.sync() == "ok"
    assert world.rows(tables.quarantine) == []

"""What the journal tells, it tells from the beginning: it alone gives the state of the catalogue."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from adapters import EndpointRecord, Key, ModelRecord, Traffic
from federation import tables
from federation.database import now, reading
from tests.federation.sync.replay import NOUNS
from tests.federation.sync.world import World

E = Key("endpoint", "e")


def _aliases(world: World) -> list[tuple[object, ...]]:
    told = [entry for entry in world.entries() if entry.action.startswith("alias.")]
    return [(e.action, e.ref, (e.before or {})["version"], (e.after or {})["version"]) for e in told]


def test_the_aliases_that_a_new_model_brings_are_told(world: World) -> None:
    world.model("known", "1")
    world.sync()
    world.model("new", "1", aliases={"champion": "1", "shadow": "1"})
    world.sync()
    assert _aliases(world) == [
        ("alias.set", "memory/new@champion", None, "1"),
        ("alias.set", "memory/new@shadow", None, "1"),
    ]


def test_what_a_run_before_has_missed_began_when_its_backend_says(world: World) -> None:
    world.model("known", "1")
    world.sync()
    made = now() - timedelta(hours=3)
    world.model("m", "1", aliases={"champion": "1"}, created_at=made)
    world.backend.put(replace(world.version("m", "1"), created_at=made))
    world.sync()
    told = {entry.action: entry.not_before for entry in world.entries() if "memory/m" in str(entry.ref)}
    assert told == {"model.created": made, "version.created": made, "alias.set": made}
    with reading(world.engine) as connection:
        assert set(connection.execute(select(tables.span.c.began_after)).scalars()) == {made}


def test_the_aliases_of_a_model_that_is_made_again_are_told(world: World) -> None:
    world.model("known", "1")
    world.sync()
    first = world.model("m", "1", "2", aliases={"champion": "2"})
    world.sync()
    world.backend.drop(first.key)
    world.model("m", "1", aliases={"champion": "1"})
    world.sync()
    assert _aliases(world)[-1] == ("alias.set", "memory/m@champion", None, "1")
    assert world.problems() == []


def test_an_import_tells_aliases_and_stages(world: World) -> None:
    model = world.model("m", "1", "2", aliases={"champion": "2"})
    world.sync()
    (entry,) = [entry for entry in world.entries() if entry.action == "catalogue.imported"]
    assert entry.details["aliases"] == [[model.key.native_id, "champion", "2"]]
    assert entry.details["stages"] == [[world.version("m", "2").key.native_id, "production"]]
    assert world.problems() == []


def test_what_is_back_is_told_as_it_is_now(world: World) -> None:
    model = world.model("m", "1", "2", aliases={"champion": "1"})
    first, second = world.version("m", "1"), world.version("m", "2")
    world.sync()
    world.backend.drop(model.key)
    world.sync()
    for record in (replace(model, aliases={"champion": "2"}), first, second):
        world.backend.put(record)
    world.sync()
    assert _aliases(world) == [("alias.set", "memory/m@champion", None, "2")]
    back = [entry for entry in world.entries() if entry.action == "version.restored"]
    assert [entry.after for entry in back] == [{"stage": "none"}, {"stage": "production"}]
    assert world.problems() == []


def test_the_journal_gives_the_catalogue_after_every_action(world: World) -> None:
    model = world.model("m", "1", "2", aliases={"champion": "1"})
    first = world.version("m", "1")

    def traffic(*shares: Traffic) -> Callable[[], object]:
        return lambda: world.backend.put(EndpointRecord(key=E, name="e", traffic=shares))

    def again(record: ModelRecord) -> None:
        world.backend.put(record)
        world.backend.put(first)

    steps: list[Callable[[], object]] = [
        lambda: world.model("other", "1", aliases={"champion": "1"}),
        lambda: world.change(model, aliases={"champion": "2", "shadow": "1"}),
        lambda: world.change(model, aliases={"champion": "2"}, description="better"),
        lambda: world.change(first, stage="Staging"),
        lambda: world.change(first, tags={"k": "v"}),
        traffic(Traffic(first.key, 100.0)),
        traffic(Traffic(first.key, 0.0)),
        lambda: world.backend.drop(E),
        traffic(Traffic(first.key, 10.0)),
        lambda: world.backend.drop(first.key),
        lambda: world.backend.put(first),
        lambda: world.backend.drop(model.key),
        lambda: again(model),
    ]
    world.sync()
    for step in steps:
        step()
        assert world.sync() == "ok"
        assert world.problems() == []
    told = {action for action in world.actions() if action.partition(".")[0] in NOUNS}
    kinds = {f"{kind}.{verb}" for kind in ("model", "version", "endpoint") for verb in VERBS}
    assert told == kinds | {
        "alias.set",
        "alias.moved",
        "alias.removed",
        "stage.changed",
        "catalogue.imported",
    }


VERBS = ("created", "changed", "deleted", "restored")

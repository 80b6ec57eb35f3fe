"""Whole records of a registry for another gateway: all of them page by page, what changed since, one by its key."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from adapters import Key, Lineage, Parent, Record
from federation import tables
from federation.access import EVERYTHING, View
from federation.database import now, writing
from federation.errors import UnknownError
from federation.sharing import sharing
from federation.sharing.sharing import SharedPage, Sharing, SinceTooOldError
from tests.federation.sync.world import World


@pytest.fixture
def shared(world: World) -> Sharing:
    return Sharing(world.engine)


def pages(shared: Sharing, limit: int) -> list[SharedPage]:
    """The whole registry in pages."""
    found = [shared.every(EVERYTHING, "memory", None, limit)]
    while found[-1].more:
        assert found[-1].after is not None
        found.append(shared.every(EVERYTHING, "memory", found[-1].after, limit))
    return found


def told(page: SharedPage) -> list[Key]:
    """Everything that a page has, models first."""
    records: list[Record] = [*page.models, *(one.version.record for one in page.versions), *page.endpoints]
    return [one.key for one in records]


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_pages_of_any_size_give_everything_once_models_first(
    world: World, shared: Sharing, limit: int
) -> None:
    for name in ("a", "b", "c"):
        world.model(name, "1", "2")
    world.sync()
    found = [key for page in pages(shared, limit) for key in told(page)]
    assert sorted(found) == sorted(world.backend.records)
    assert len(found) == 9
    assert [key.kind for key in found] == ["model"] * 3 + ["version"] * 6


def test_what_changed_and_what_is_gone_is_told_since_an_answer(world: World, shared: Sharing) -> None:
    world.model("a", "1")
    old = world.model("b", "1")
    world.sync()
    since = pages(shared, 1000)[0].since
    assert told(shared.changed(EVERYTHING, "memory", since, 10)) == []
    gone = [old.key, *(one.key for one in world.backend.versions(old.key))]
    world.backend.drop(old.key)
    world.change(world.version("a", "1"), tags={"k": "v"})
    world.model("c", "1")
    world.sync()
    page = shared.changed(EVERYTHING, "memory", since, 100)
    changed = {(key.kind, key.native_id.partition("#")[0]) for key in told(page)}
    assert changed - {("model", "a")} == {("version", "a"), ("model", "c"), ("version", "c")}
    assert set(page.gone) == set(gone)
    assert not page.more
    one_by_one, at = list[Key](), since
    while True:
        part = shared.changed(EVERYTHING, "memory", at, 1)
        one_by_one += [*told(part), *part.gone]
        at = part.since
        if not part.more:
            break
    assert set(one_by_one) == {*told(page), *page.gone}


def test_a_large_page_is_cut_by_what_is_in_it(
    world: World, shared: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.model("a", *map(str, range(1, 21)))
    world.sync()
    monkeypatch.setattr(sharing, "MOST_CHARACTERS", 2000)
    found = pages(shared, 1000)
    assert len(found) > 5
    assert all(told(page) for page in found)
    assert sum(len(told(page)) for page in found) == 21


def test_one_record_by_its_key_or_the_proof_that_it_is_not_there(world: World, shared: Sharing) -> None:
    model = world.model("a", "1")
    world.sync()
    assert told(shared.one(EVERYTHING, "memory", model.key)) == [model.key]
    absent = shared.one(EVERYTHING, "memory", Key("model", "nobody"))
    assert (told(absent), absent.last_success_at is not None) == ([], True)
    world.backend.drop(model.key)
    world.sync()
    assert told(shared.one(EVERYTHING, "memory", model.key)) == []


def test_what_is_hidden_and_what_is_absent_are_the_same(world: World, shared: Sharing) -> None:
    world.sync()
    for view, name in ((View.of([world.registry_id + 1]), "memory"), (EVERYTHING, "nowhere")):
        with pytest.raises(UnknownError):
            shared.every(view, name, None, 1)
        with pytest.raises(UnknownError):
            shared.changed(view, name, "x", 1)
        with pytest.raises(UnknownError):
            shared.one(view, name, Key("model", "m"))


def test_a_since_counts_for_two_days_and_for_its_own_registry(
    world: World, shared: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.model("a", "1")
    world.sync()
    since = pages(shared, 1000)[0].since
    for other in ("", "made-up", since[:-1] + ("A" if since[-1] != "A" else "B")):
        with pytest.raises(SinceTooOldError):
            shared.changed(EVERYTHING, "memory", other, 1)
    monkeypatch.setattr(sharing, "now", lambda: now() + timedelta(hours=47))
    shared.changed(EVERYTHING, "memory", since, 1)
    monkeypatch.setattr(sharing, "now", lambda: now() + timedelta(hours=49))
    with pytest.raises(SinceTooOldError):
        shared.changed(EVERYTHING, "memory", since, 1)


def test_what_happens_in_a_hidden_registry_changes_no_answer(world: World, shared: Sharing) -> None:
    world.model("a", "1")
    world.sync()
    view = View.of([world.registry_id])
    since = shared.every(view, "memory", None, 10).since
    with writing(world.engine) as connection:
        position = connection.execute(tables.head.select()).one().position
        rows = [
            {"position": position + n, "kind": "model", "target_id": n, "registry_id": 999, "time": now()}
            for n in range(1, 50)
        ]
        connection.execute(insert(tables.change), rows)
        connection.execute(update(tables.head).values(position=position + 49))
    page = shared.changed(view, "memory", since, 1)
    assert (told(page), page.gone, page.more) == ([], [], False)


def test_needs_are_whole_references_as_they_are_read_here(world: World, shared: Sharing) -> None:
    world.model("encoder", "1")
    world.model("nlp/base", "1")
    model = world.model("a")
    world.backend.add_version(
        model,
        "1",
        tags={"depends_on": "encoder:1 other/encoder:1 models:/encoder/1"},
        lineage=Lineage(
            parents=(Parent("nlp/base:1", "base"), Parent("vision/base:2"), Parent("arn:aws:x:y/1", "copy"))
        ),
    )
    world.sync()
    [needs] = [one.needs for one in pages(shared, 1000)[0].versions if one.version.model == "a"]
    assert [tuple(one) for one in needs] == [
        ("memory/encoder:1", ""),
        ("other/encoder:1", ""),
        ("memory/nlp/base:1", "base"),
        ("vision/base:2", "parent"),
        ("arn:aws:x:y/1", "copy"),
    ]

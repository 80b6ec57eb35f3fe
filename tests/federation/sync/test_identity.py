"""A registry is one backend for good: what tells that it is another one, and what does not."""

from dataclasses import replace

import pytest
from sqlalchemy import event

from adapters import BackendInfo, Reached
from adapters.memory import MemoryAdapter
from federation.database import writing
from federation.errors import StateError
from federation.registries import backend
from tests.federation.sync.world import World


def test_a_backend_that_is_another_one_stops_the_sync(world: World) -> None:
    world.model("m", "1")
    world.sync()
    world.backend.identity = "somebody else"
    world.backend.records.clear()
    assert world.sync(full=True) == "failed"
    assert len(world.living()) == 2
    assert "another one than before" in world.registry().last_error
    assert world.sync(full=True) == "failed"
    assert world.actions().count("registry.replaced") == 1


def test_another_backend_is_read_once_a_person_says_it_is_the_same(world: World) -> None:
    world.model("m", "1")
    world.sync()
    known, world.backend.identity = world.backend.identity, "restored"
    world.sync()
    with writing(world.engine) as connection:
        with pytest.raises(StateError, match="no backend of this identity"):
            backend.confirm(connection, world.registry_id, "somebody else", "local")
        backend.confirm(connection, world.registry_id, "restored", "local")
    assert world.sync() == "ok"
    assert (world.registry().identity, world.registry().offered_identity) == ("restored", None)
    assert "version.deleted" not in world.actions()
    (told,) = [entry for entry in world.entries() if entry.action == "registry.identity_confirmed"]
    assert (told.actor, told.before, told.after) == ("local", {"identity": known}, {"identity": "restored"})


def test_a_backend_that_comes_back_is_no_longer_offered(world: World) -> None:
    world.sync()
    known, world.backend.identity = world.backend.identity, "somebody else"
    world.sync()
    assert world.registry().offered_identity == "somebody else"
    world.backend.identity = known
    assert world.sync() == "ok"
    assert world.registry().offered_identity is None


def test_a_probe_that_cannot_tell_leaves_what_was_known(world: World) -> None:
    world.sync()
    known, world.backend.identity = world.backend.identity, None
    assert world.sync(full=True) == "ok"
    assert world.registry().identity == known
    world.backend.identity = "somebody else"
    assert world.sync(full=True) == "failed"


def test_what_was_not_known_is_learned_from_the_first_probe_that_tells(world: World) -> None:
    world.backend.identity = None
    world.sync()
    assert world.registry().identity is None
    world.backend.identity = "it"
    assert world.sync(full=True) == "ok"
    assert world.registry().identity == "it"


def test_a_name_that_an_earlier_release_gave_is_the_same_backend(world: World) -> None:
    world.sync()
    world.backend.former_identities = (world.registry().identity,)
    world.backend.identity = "by its new name"
    assert world.sync(full=True) == "ok"
    assert world.registry().identity == "by its new name"


def test_a_backend_that_lost_what_named_it_is_known_by_what_is_still_there(world: World) -> None:
    world.backend.identity, world.backend.anchors = "oldest", ("second", "third")
    world.model("m", "1")
    world.sync()
    assert world.registry().anchors == ["second", "third"]
    world.backend.identity, world.backend.anchors = "third", ("fourth",)
    assert world.sync(full=True) == "ok"
    assert (world.registry().identity, world.registry().anchors) == ("third", ["fourth"])
    world.backend.identity, world.backend.anchors = "second", ("fifth",)
    assert world.sync(full=True) == "failed", "nothing is left by which it was known last"
    assert world.registry().identity == "third"


def test_what_a_backend_says_of_itself_is_written_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = (Reached("inner", ("one", "two"), is_read=False, chains=(("three", "four"),)),)
    probe = MemoryAdapter.probe

    def with_reaches(self: MemoryAdapter) -> BackendInfo:
        return replace(probe(self), anchors=("first",), missing=("a right",), reaches=behind)

    monkeypatch.setattr(MemoryAdapter, "probe", with_reaches)
    world.sync(full=True)
    assert world.registry().reaches[0]["chains"] == [["three", "four"]]
    written: list[str] = []

    def note(*told: object) -> None:
        written.append(str(told[2]))

    event.listen(world.engine, "before_cursor_execute", note)
    world.sync(full=True)
    event.remove(world.engine, "before_cursor_execute", note)
    assert written
    assert not [one for one in written if one.startswith("UPDATE registry") and "reaches" in one]

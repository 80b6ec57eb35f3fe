"""Comments on versions: everybody who sees a version may say something of it, and nothing is decided by that."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Select

from federation.access import LOCAL, NOTHING, Permission, Principal
from federation.erasure import BLANK, erase
from federation.errors import DeniedError, InvalidRequestError, UnknownError
from federation.prepared import Prepared
from federation.statements import statements as room
from federation.statements.statements import Statements
from tests.federation.operations.world import hurry
from tests.federation.promotions.world import PromotionsWorld, make_promotions_world, version


@pytest.fixture
def world(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[PromotionsWorld]:
    hurry(monkeypatch)
    made = make_promotions_world(database)
    yield made
    made.operations.close()


def test_a_comment_is_kept_with_who_said_it_and_about_which_artifact(world: PromotionsWorld) -> None:
    ann, statements = world.person("ann", "viewer"), Statements(world.engine)
    first = statements.comment(ann, version("2"), "  drifts on Sundays ")
    second = statements.comment(ann, version("2"), "drifts on Sundays")
    found = statements.comments(LOCAL.view, version("2"))
    assert [(one.id, one.words, one.principal) for one in found] == [
        (second.id, "drifts on Sundays", ann.id),
        (first.id, "drifts on Sundays", ann.id),
    ]
    assert statements.comments(LOCAL.view, version("1")) == []
    sync = world.operations.sync
    sync.change(sync.version("m", "2"), artifact_digest="sha256:new")
    sync.sync()
    assert [one.is_current for one in statements.comments(LOCAL.view, version("2"))] == [False, False]
    told = [entry for entry in sync.entries() if str(entry.action) == "version.commented"]
    assert [entry.actor for entry in told] == [ann.id, ann.id]
    assert "Sundays" not in repr([entry.details for entry in told])
    assert len({entry.commitments["words"] for entry in told}) == 2


def test_who_does_not_see_a_version_can_neither_say_nor_read_anything(world: PromotionsWorld) -> None:
    statements = Statements(world.engine)
    blind = Principal("p-0", "blind", {Permission.APPROVE: LOCAL.view})
    mute = Principal("p-1", "mute", {Permission.READ: LOCAL.view})
    for refused, error in ((blind, UnknownError), (mute, DeniedError)):
        with pytest.raises(error):
            statements.comment(refused, version("2"), "hello")
    with pytest.raises(UnknownError):
        statements.comments(NOTHING, version("2"))


@pytest.mark.parametrize(
    "words", ["", " \n ", "x" * 4001, "a\0b", "\ud800"], ids=["nothing", "blank", "long", "zero", "half"]
)
def test_what_nobody_could_read_is_refused(world: PromotionsWorld, words: str) -> None:
    with pytest.raises(InvalidRequestError):
        Statements(world.engine).comment(LOCAL, version("2"), words)


def test_no_number_of_comments_hides_what_a_scan_says(
    world: PromotionsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(world.engine)
    stated = json.dumps({"maker": "ci", "name": "bias", "verdict": "no"}).encode()
    statements.state(LOCAL, version("2"), "check", stated)
    query = room._OF_VERSION.query
    assert isinstance(query, Select)
    monkeypatch.setattr(room, "_OF_VERSION", Prepared(query.limit(3)))
    for word in ("one", "two", "three", "four"):
        statements.comment(LOCAL, version("2"), word)
    assert [one.verdict for one in statements.of(LOCAL.view, version("2"))] == ["no"]


def test_erasing_a_person_takes_the_name_out_of_comments_and_leaves_the_rest(world: PromotionsWorld) -> None:
    statements = Statements(world.engine)
    statements.comment(LOCAL, version("2"), "ask Ada Lovelace before you touch it")
    statements.comment(LOCAL, version("2"), "nobody is named here")
    assert erase(world.engine, "Ada Lovelace", actor="local").others == 1
    found = [one.words for one in statements.comments(LOCAL.view, version("2"))]
    assert found == ["nobody is named here", f"ask {BLANK} before you touch it"]

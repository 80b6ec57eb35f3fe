"""Whoever changed a version, and whoever approved a promotion of it, is found by the name of today."""

from pathlib import Path

from federation.access import EVERYTHING, LOCAL, View
from federation.database import writing
from federation.erasure import erase
from federation.identity import principals
from federation.journal.log import Batch
from federation.operations.asking import RequestedChange
from federation.operations.wanted import Register, SetAlias, SetTags
from federation.policies.policies import Policy, Quorum
from federation.references import Reference
from federation.search import lexicon
from federation.search.answer import SearchRequest
from federation.search.freshness import FreshnessBoard
from federation.search.source import CatalogueSource
from federation.search.tantivy.engine import Search
from federation.search.tantivy.follower import IndexFollower
from tests.federation.promotions.world import MODEL, PromotionsWorld, version


class Finder:
    """The index of a world, in which names are looked up as a gateway does."""

    def __init__(self, world: PromotionsWorld, folder: Path) -> None:
        from federation.identity.identity import Identity

        self.follower = IndexFollower(folder, CatalogueSource(world.engine))
        identity = Identity(world.engine)
        board = FreshnessBoard(world.engine)
        self.search = Search(folder, board, lexicon.load(), principals=identity.meant)

    def follow(self) -> None:
        while self.follower.step():
            pass
        self.search.reload()

    def __call__(self, text: str, view: View = EVERYTHING) -> list[str]:
        found = self.search.query(view, SearchRequest(q=text, group="version", limit=200))
        return sorted(hit.ref.partition("/")[2] for hit in found.hits)


def test_hands_are_found_by_the_names_that_people_see(world: PromotionsWorld, tmp_path: Path) -> None:
    ann, bo = world.person("ann", "approver"), world.person("boole", "approver")
    find = Finder(world, tmp_path / "index")
    find.follow()
    world.operations.ask(RequestedChange(version("3"), SetTags({"color": "blue"})), who=ann)
    world.operations.ask(RequestedChange(MODEL, SetAlias("shadow", "1")), who=ann)
    world.operations.ask(RequestedChange(Reference("memory", "new"), Register("new", "s3://x")), who=ann)
    world.settle()
    find.follow()
    touched = ["m:1", "m:3", "new:1"]
    for text in (
        "changed_by:ann",
        "changed_by:ANN",
        "changed_by:an*",
        "changed_by:subject:ann",
        "changed_by:*",
    ):
        assert find(text) == touched, text
    assert find(f"changed_by:{ann.id} model:m") == ["m:1", "m:3"]
    assert find("changed_by:boole") == find("changed_by:ann*x") == find("changed_by:ann", View.of([])) == []

    with writing(world.engine) as connection:  # the provider calls her otherwise when she signs in again
        principals.ensure(connection, Batch(), "subject:ann", "Ann Lee")
    assert (find('changed_by:"ann lee"'), find("changed_by:ann")) == (touched, [])

    world.apply(Policy("guard", "*", approvals=(Quorum(1),)))
    seen = world.promotions.propose(world.person("cy", "contributor"), version("2"), "production", "better")
    find.follow()
    assert find("approved_by:boole") == []
    world.promotions.say(bo, seen.promotion.id, "approve", "", seen.judgement.digest)  # type: ignore[union-attr]
    find.follow()
    assert find("approved_by:boole") == ["m:2"]
    assert find("changed_by:cy") == []
    world.settle()
    find.follow()
    assert find("changed_by:cy") == [
        "m:1",
        "m:2",
    ]  # the alias went from one to the other for whoever proposed it

    erase(world.engine, "boole", actor=LOCAL.id)
    assert find("approved_by:boole") == find("approved_by:[erased]") == []
    assert find(f"approved_by:{bo.id}") == ["m:2"]
    _, documents = CatalogueSource(world.engine).everything()
    assert "Ann Lee" not in repr(list(documents))

"""A guarded stage that is changed on the backend itself is told, once for each change, and not for what was before."""

from federation.access import EVERYTHING, NOTHING
from federation.catalogue.catalogue import Catalogue
from federation.followers import Followers
from federation.graph.follower import GraphFollower
from federation.graph.graph import Graph
from federation.operations.asking import RequestedChange
from federation.operations.wanted import SetTags
from federation.policies.policies import Policy, Quorum
from federation.search.source import CatalogueSource
from federation.standby import Reads
from tests.federation.promotions.world import PromotionsWorld, version

GUARD = Policy("guard", "*", approvals=(Quorum(1),))


def move(world: PromotionsWorld, to: str | None) -> None:
    """Somebody moves the alias on the backend itself."""
    model = world.operations.sync.backend.named("m")
    assert model is not None
    world.operations.sync.change(model, aliases={} if to is None else {"champion": to})


def marked(world: PromotionsWorld) -> list[str]:
    """The versions that stand where they do past a policy."""
    catalogue = Catalogue(Reads(world.engine))
    return [name for name in "123" if catalogue.version(EVERYTHING, version(name)).bypassed == ("guard",)]


def told(world: PromotionsWorld) -> list[tuple[str | None, str | None, str | None]]:
    return [
        (entry.ref, entry.before["stage"], entry.after["stage"])
        for entry in world.operations.sync.entries()
        if str(entry.action) == "policy.bypassed"
    ]


def test_each_change_on_the_backend_is_told_once(world: PromotionsWorld) -> None:
    sync = world.operations.sync
    move(world, "2")  # before the policy came, and seen only after that
    world.apply(GUARD)
    sync.sync()
    assert (world.stage("2"), told(world)) == ("production", [])
    move(world, "3")
    sync.sync()
    sync.sync(full=True)
    assert (told(world), marked(world)) == ([("memory/m:3", "none", "production")], ["3"])
    move(world, None)
    sync.sync()
    assert told(world)[1:] == [("memory/m:3", "production", "none")]
    bo = world.person("bo", "approver")
    seen = world.promotions.propose(world.person("ann", "contributor"), version("1"), "production", "better")
    world.promotions.say(bo, seen.promotion.id, "approve", "")
    world.settle()
    sync.sync(full=True)
    assert (world.state(seen), len(told(world)), marked(world)) == ("done", 2, ["3"])


def test_one_that_an_operation_meets_is_told_as_well(world: PromotionsWorld) -> None:
    world.apply(GUARD)
    sync = world.operations.sync
    sync.change(sync.version("m", "3"), stage="Production")
    world.operations.ask(RequestedChange(version("3"), SetTags({"color": "blue"})))
    world.operations.work()
    assert told(world) == [("memory/m:3", "none", "production")]


def test_it_stands_on_a_list_inside_the_view(world: PromotionsWorld, tmp_path_factory: object) -> None:
    world.apply(GUARD)
    move(world, "3")
    world.operations.sync.sync()
    folder = tmp_path_factory.mktemp("graph")  # type: ignore[attr-defined]
    Followers({"graph": GraphFollower(world.engine, folder)}).catch_up()
    graph = Graph(world.engine, folder)
    assert marked(world) == ["3"]
    [document] = [one for one in CatalogueSource(world.engine).everything()[1] if "bypassed" in one.texts]
    assert document.texts["bypassed"] == ("guard",)
    [found] = graph.insights(EVERYTHING, "bypasses").items
    assert (found.ref, found.detail) == ("memory/m:3", "none became production, which policy guard guards")
    assert graph.insights(NOTHING, "bypasses").total == 0

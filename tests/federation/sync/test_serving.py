"""What the catalogue makes of an endpoint: who is served, and what stays where it is unknown."""

from adapters import EndpointRecord, Key, Traffic, Unread
from federation import tables
from tests.federation.sync.world import World

WHY = "endpoint e: its model m was deleted under it"


def shares(world: World) -> dict[str, float]:
    """The shares of the endpoint by version."""
    versions = {row.id: row.version for row in world.rows(tables.version)}
    return {versions[row.version_id]: row.percent for row in world.rows(tables.traffic)}


def endpoint(world: World, unread: Unread | None = None, **served: float) -> EndpointRecord:
    """The endpoint `e`, with shares for versions `v1`, `v2` … of the model `m`."""
    traffic = tuple(Traffic(world.version("m", name[1:]).key, share) for name, share in served.items())
    return EndpointRecord(key=Key("endpoint", "e"), name="e", traffic=traffic, unread=unread)


def test_what_is_not_known_of_an_endpoint_stays_beside_what_is(world: World) -> None:
    world.model("m", "1", "2", "3")
    world.backend.put(endpoint(world, v1=60.0, v2=40.0))
    assert world.sync() == "ok"
    unread = Unread(("traffic",), WHY)
    world.backend.put(endpoint(world, unread))
    assert world.sync() == "partial"
    assert shares(world) == {"1": 60.0, "2": 40.0}
    assert world.registry().last_error == f"1 record is known in part: {WHY}"
    world.backend.put(endpoint(world, unread, v1=30.0, v3=30.0))
    assert world.sync() == "partial"
    assert shares(world) == {"1": 30.0, "2": 40.0, "3": 30.0}
    assert [row.deployed for row in world.rows(tables.version)] == [True, True, True]
    world.backend.put(endpoint(world, v3=100.0))
    assert world.sync() == "ok"
    assert shares(world) == {"3": 100.0}
    assert world.problems() == []


def test_an_endpoint_of_which_something_is_unknown_holds_no_watermark_up(world: World) -> None:
    world.model("m", "1")
    world.backend.put(endpoint(world, Unread(("traffic",), WHY), v1=50.0))
    world.sync()
    before = world.registry().watermark
    world.model("n", "1")
    assert world.sync() == "partial"
    assert world.registry().watermark != before


def test_a_version_that_comes_after_its_endpoint_is_served(world: World) -> None:
    world.model("m", "1", "2")
    late = world.version("m", "2")
    world.backend.put(endpoint(world, v1=50.0, v2=50.0))
    world.backend.drop(late.key)
    world.sync()
    assert shares(world) == {"1": 50.0}
    world.backend.put(late)
    world.sync()
    assert shares(world) == {"1": 50.0, "2": 50.0}
    assert [row.deployed for row in world.rows(tables.version)] == [True, True]
    assert world.problems() == []


def test_a_version_that_is_gone_is_not_served_again_by_an_endpoint_that_still_names_it(world: World) -> None:
    world.model("m", "1", "2")
    gone = world.version("m", "2")
    world.backend.put(endpoint(world, v1=50.0, v2=50.0))
    world.sync()
    world.backend.drop(gone.key)
    assert world.sync(full=True) == "ok"
    assert world.sync() == "ok"
    assert shares(world) == {"1": 50.0}
    assert world.problems() == []

"""Who may ask for which change, and that nobody learns from a refusal what they may not see."""

from sqlalchemy import update

from adapters import Capability
from federation import tables
from federation.access import EVERYTHING, NOTHING, ROLES, Permission, Principal, View
from federation.database import reading, writing
from federation.errors import WaypostError
from federation.operations.admission import WriteTargets
from federation.operations.asking import Asking, Become, RequestedChange
from federation.operations.wanted import Delete, Register, SetAlias, SetTags
from federation.references import Reference, parse
from tests.federation.operations.world import OperationsWorld

VERSION, MODEL = parse("memory/m:1"), parse("memory/m")
ASKS: dict[str, tuple[RequestedChange, Permission]] = {
    "stage": (RequestedChange(VERSION, Become("production")), Permission.CHANGE),
    "alias": (RequestedChange(MODEL, SetAlias("blue", "1")), Permission.CHANGE),
    "unalias": (RequestedChange(MODEL, SetAlias("blue", None)), Permission.CHANGE),
    "tags": (RequestedChange(VERSION, SetTags({"a": "1"})), Permission.TAG),
    "deciding-tags": (RequestedChange(VERSION, SetTags({"env": "staging"})), Permission.CHANGE),
    "model-tags": (RequestedChange(MODEL, SetTags({"a": "1"})), Permission.TAG),
    "register": (RequestedChange(Reference("memory", "m"), Register("m", "s3://b/1")), Permission.REGISTER),
    "delete": (RequestedChange(VERSION, Delete(), of="version"), Permission.DELETE),
    "delete-model": (RequestedChange(MODEL, Delete(), of="model"), Permission.DELETE),
}


def principal(role: str, view: View) -> Principal:
    """Somebody with a role on a view."""
    return Principal("p1", "somebody", dict.fromkeys(ROLES[role], view))


def refusal(world: OperationsWorld, ask: RequestedChange, who: Principal) -> str:
    """The type of what an asking raises; empty where it is allowed."""
    try:
        with reading(world.sync.engine) as connection:
            Asking(connection, who, WriteTargets(world.sync.adapters)).intents(ask)
    except WaypostError as error:
        return type(error).__name__
    return ""


def test_each_change_takes_its_permission(world: OperationsWorld) -> None:
    for role in ("viewer", "contributor", "approver"):
        who = principal(role, EVERYTHING)
        found = {name: refusal(world, ask, who) for name, (ask, _) in ASKS.items()}
        expected = {
            name: "" if permission in ROLES[role] else "DeniedError" for name, (_, permission) in ASKS.items()
        }
        assert found == expected, role


def test_a_hidden_registry_is_an_absent_one(world: OperationsWorld) -> None:
    elsewhere = principal("approver", View.of([world.sync.registry_id + 1]))
    nowhere = principal("approver", NOTHING)
    for ask, _ in ASKS.values():
        assert refusal(world, ask, elsewhere) == refusal(world, ask, nowhere) == "UnknownError"


def test_what_the_last_probe_found_missing_is_refused(world: OperationsWorld) -> None:
    with writing(world.sync.engine) as connection:
        connection.execute(
            update(tables.registry).values(
                unavailable=[Capability.SET_ALIAS.value], missing=["aliases cannot be written"]
            )
        )
    who = principal("approver", EVERYTHING)
    assert refusal(world, ASKS["alias"][0], who) == "InvalidRequestError"
    assert refusal(world, ASKS["stage"][0], who) == "", "the next rule, a native stage, can be written"

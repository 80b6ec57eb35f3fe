"""What every handler is given: the gateway, who asks, and what was asked for, read strictly."""

import re
from types import ModuleType
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromQuery, Parameter

from federation.access import ANONYMOUS, Permission, Principal, View
from federation.errors import DeniedError
from federation.journal.journal import JournalFilter
from gateway.door.authentication import unauthenticated
from gateway.meant import whole
from gateway.names import with_actor
from gateway.parameters import read_filter
from gateway.problems import ProblemError
from gateway.waypost import Waypost

PLAIN = re.compile(rb"[!-$&-~]*")
"""Addresses with which nothing can be wrong: printable ASCII without a percent sign."""
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
Limit = Annotated[int, Parameter(ge=1, le=200)]
"""How many rows a page has."""
Depth = Annotated[int | None, Parameter(ge=1, le=1000)]
"""How many steps of dependencies are followed; None: all."""
Number = Annotated[int, Parameter(ge=0, le=2**62)]
"""The number of an entry of the journal, or how many there are."""
OptionalNumber = Annotated[int | None, Parameter(ge=0, le=2**62)]
Ident = Annotated[int, Parameter(ge=1, le=2**62)]
OptionalIdent = Annotated[int | None, Parameter(ge=1, le=2**62)]
"""A surrogate id; what no database can hold is refused here."""
AnyRequest = Request[Any, Any, Any]
"""A request as Litestar hands it out; what we know of it stands in its scope."""
GivenWaypost = NamedDependency[Waypost]
"""This process's gateway, for a parameter `waypost`."""
GivenPrincipal = NamedDependency[Principal]
"""Who is asking, for a parameter `principal`."""
GivenView = NamedDependency[View]
"""What the caller may see, for a parameter `view`."""


def provide_waypost(request: AnyRequest) -> Waypost:
    """This process's gateway."""
    waypost: Waypost = request.scope["state"]["waypost"]
    return waypost


# Each of the following takes the one before it only so that they are resolved one after the other: for those that
# could be resolved at once, Litestar starts a group of tasks, which costs more than everything else here.
def provide_principal(request: AnyRequest, waypost: GivenWaypost) -> Principal:
    """Who is asking."""
    principal: Principal = request.scope["user"]
    return principal


def provide_view(principal: GivenPrincipal) -> View:
    """What the caller may see."""
    return principal.view


def needs(permission: Permission) -> dict[str, Any]:
    """The declaration, in a route's `opt`, of the permission it needs. A route without one keeps the app from
    starting.
    """
    return {"permission": permission}


PUBLIC: dict[str, Any] = {"permission": None}
"""The declaration of a route that everybody may use."""
READ = needs(Permission.READ)
GRANT = needs(Permission.GRANT)
AUDIT = needs(Permission.AUDIT)
APPROVE = needs(Permission.APPROVE)
DECLARE = needs(Permission.DECLARE)
SYNC = needs(Permission.SYNC)
SUBSCRIBE = needs(Permission.SUBSCRIBE)


def planned(shape: type[Any]) -> dict[int, ResponseSpec]:
    """How the API's description says that a change answers with its plan where that alone was asked for. Litestar would
    make up examples, of random letters.
    """
    said = "the plan, where it was asked for by dry_run"
    return {200: ResponseSpec(shape, generate_examples=False, description=said)}


def routes_in(*modules: ModuleType) -> list[HTTPRouteHandler]:
    """Every route that modules declare, in the order in which it stands there: what is declared is served."""
    values = (value for module in modules for value in vars(module).values())
    declared = (one for value in values for one in (value if isinstance(value, list) else [value]))
    return [one for one in declared if isinstance(one, HTTPRouteHandler)]


def check_permission(request: AnyRequest) -> None:
    """The permission that the route declares must hold somewhere; handlers check where.

    It is no guard of Litestar's, which copies the whole handler for each request. Errors: `ProblemError` 401 for who
    has shown no credentials, `DeniedError`.
    """
    permission: Permission | None = request.route_handler.opt.get("permission")
    if permission is None:
        return
    principal: Principal = request.scope["user"]
    if principal is ANONYMOUS:
        raise unauthenticated("sign in, or send `Authorization: Bearer TOKEN`")
    if principal.scopes is not None and permission not in principal.scopes:
        raise DeniedError(
            permission, "anything", remedy="this token is limited to other scopes, so use another"
        )
    if permission is Permission.READ:
        return  # what may be read is decided by the view
    if permission is Permission.AUDIT:
        principal.require(permission, None, "everything")
    elif permission not in principal.grants:
        principal.require(permission, None, "any registry")


def check_address(request: AnyRequest) -> None:
    """Refuse an address that is wrongly encoded, not UTF-8, or holds raw control characters, before anything reads it.

    Errors: 400.
    """
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope.get("query_string") or b""
    address = path.split(b"?")[0] + b"?" + query
    if PLAIN.fullmatch(address):
        return
    if BROKEN_PERCENT.search(address):
        detail = "the address has a broken percent-encoding: a % that stands for itself is written %25"
        raise ProblemError(400, "invalid-request", detail)
    try:
        text = unquote_to_bytes(address).decode("utf-8")
    except UnicodeDecodeError:
        raise ProblemError(
            400, "invalid-request", "the address is not UTF-8: percent-encode it as UTF-8"
        ) from None
    if CONTROL.search(text):
        detail = "the address holds control characters: inside a reference they are written %25XX"
        raise ProblemError(400, "invalid-request", detail)


def provide_filter(
    waypost: GivenWaypost,
    actor: FromQuery[str | None] = None,
    action: FromQuery[str | None] = None,
    ref: FromQuery[str | None] = None,
    registry: FromQuery[str | None] = None,
    team: FromQuery[str | None] = None,
    since: FromQuery[str | None] = None,
    until: FromQuery[str | None] = None,
) -> JournalFilter:
    """Which entries of the journal the parameters of a query ask for. Errors: 400."""
    wanted = read_filter(
        actor=actor,
        action=action,
        ref=whole(waypost, ref),
        registry=registry,
        team=team,
        since=since,
        until=until,
    )
    return with_actor(waypost.identity, wanted)


WANTED = {"wanted": Provide(provide_filter, sync_to_thread=True)}
"""For routes that take a filter of the journal."""

"""Retention: what is to be archived and deleted by rule, why all else is kept, and doing it."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromQuery, JSONBody, Parameter

from federation.access import Permission
from gateway.api.requests import READ, GivenPrincipal, GivenView, GivenWaypost, needs
from gateway.api.retention_out import AppliedOut, RetentionIn, RetentionOut, retention_out
from gateway.meant import place_meant
from gateway.parameters import read_reference


@get("/retention", opt=READ, sync_to_thread=True)
def plan_retention(
    waypost: GivenWaypost,
    view: GivenView,
    under: FromQuery[Annotated[str, Parameter(max_length=4096)]] = "",
    limit: FromQuery[Annotated[int, Parameter(ge=1, le=1000)]] = 200,
    cursor: FromQuery[Annotated[str | None, Parameter(max_length=4096)]] = None,
) -> RetentionOut:
    """What is to become of each version that a rule of retention is on, and why: of a registry or a model (`under`), or
    of all. A page is made of `limit` versions that were looked at. `rules` says in words what there is to follow.
    """
    after = None if cursor is None else read_reference(cursor)
    rules, place = waypost.retention.rules(view), place_meant(waypost, view, under)
    return retention_out(rules, *waypost.retention.plan(view, place, after, limit))


@post("/retention", opt=needs(Permission.TAG), sync_to_thread=True, status_code=200)
def apply_retention(
    data: JSONBody[RetentionIn], waypost: GivenWaypost, principal: GivenPrincipal
) -> AppliedOut:
    """Archive (by promotions) and delete (by operations) what a plan has shown; what is no longer due is left."""
    shown = [(read_reference(one.ref), one.does) for one in data.versions]
    return AppliedOut(waypost.retention.apply(principal, shown))

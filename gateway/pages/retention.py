"""`/retention`: what is to be archived and deleted by rule, and why all else is kept."""

import asyncio
from typing import Any

from litestar import Response
from litestar.params import FromQuery

from federation.access import Permission
from federation.errors import InvalidRequestError
from federation.references import Reference
from federation.retention.retention import Applied, Doing
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenView, GivenWaypost
from gateway.api.retention_out import retention_out
from gateway.meant import place_meant
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import form_of, list_at, listed, page
from gateway.parameters import read_reference

AT_ONCE, OF_A_FILE = 200, 10_000
"""Versions that are looked at for one page, and for one file."""
FOLDED = 20
"""More versions that are kept are shown when they are asked for: what is due is to be seen before them."""


@list_at("/retention")
def retention_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    view: GivenView,
    under: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
) -> Response[Any]:
    """What becomes of each version that a rule is on."""
    form = form_of(request)
    limit = AT_ONCE if form == "html" else OF_A_FILE
    place, after = place_meant(waypost, view, under.strip()), read_reference(cursor) if cursor else None
    found = retention_out(waypost.retention.rules(view), *waypost.retention.plan(view, place, after, limit))
    due = [one for one in found.versions if one.does != "keep"]
    return listed(
        request, "retention.html", found, found.versions, form=form, title="Retention", most=OF_A_FILE, due=due,
        under=under, kept=[one for one in found.versions if one.does == "keep"], onward=found.next_cursor, applied=(),
        rules=found.rules, folded=FOLDED,
    )  # fmt: skip


@form_at("/retention", Permission.TAG)
async def apply_retention(
    request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Response[Any]:
    """Do what was shown, and say what was made of each."""
    shown = [_shown(name) for name in fields if name.startswith(("archive ", "delete "))]
    if not shown:
        raise InvalidRequestError("nothing was ticked: go back and tick what is to be archived or deleted")
    applied: list[Applied] = await asyncio.to_thread(waypost.retention.apply, principal, shown)
    return page(
        request, "retention.html", title="Retention", due=(), kept=(), onward=None, applied=applied, under=""
    )


def _shown(name: str) -> tuple[Reference, Doing]:
    """A ticked box is called as what is to become of which version."""
    does, _, ref = name.partition(" ")
    return read_reference(ref), "archive" if does == "archive" else "delete"

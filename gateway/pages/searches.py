"""`/searches`: the searches that are kept under a name; each one's address leads to what it finds now."""

from typing import Any, cast
from urllib.parse import urlencode

from litestar import Response
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from federation.access import Permission
from federation.errors import InvalidRequestError, StateError
from federation.search.answer import Group
from federation.searches.searches import SearchSpec
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost
from gateway.api.searches_out import searches_out
from gateway.pages.forms import GivenFields, form_at
from gateway.pages.page import list_at, listed, page, pages_at


@list_at("/searches")
def searches_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    q: FromQuery[str] = "",
    sort: FromQuery[str] = "relevance",
    group: FromQuery[str] = "model",
    strict: FromQuery[bool] = False,
    literal: FromQuery[str] = "",
) -> Response[Any]:
    """The searches you kept and those of your teams; with a query, a form to keep it."""
    found = searches_out(waypost.identity, waypost.searches.seen(principal))
    return listed(
        request, "searches.html", found, found.searches, title="Saved searches", mistake="", name="",
        searches=found.searches, q=q, sort=sort, group=group, strict=strict, literal=literal,
        teams=waypost.searches.teams(principal),
    )  # fmt: skip


@form_at("/searches", Permission.READ)
def save_search(
    request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal, fields: GivenFields
) -> Response[Any] | Redirect:
    """Keep a search."""
    given: dict[str, Any] = {name: fields.get(name, "") for name in ("name", "q", "sort", "group", "literal")}
    given["strict"] = fields.get("strict") == "true"
    group = cast("Group", given["group"] or "model")
    spec = SearchSpec(
        name=given["name"].strip(), q=given["q"], sort=given["sort"] or "relevance", group=group,
        strict=given["strict"], literal=given["literal"], team=fields.get("team") or None,
    )  # fmt: skip
    try:
        waypost.searches.save(principal, spec)
    except (InvalidRequestError, StateError) as error:
        return page(
            request, "searches.html", status=422, title="Saved searches", mistake=str(error), **given,
            searches=searches_out(waypost.identity, waypost.searches.seen(principal)).searches,
            teams=waypost.searches.teams(principal),
        )  # fmt: skip
    return Redirect("/searches", status_code=303)


@pages_at("/searches/{name:str}")
def open_search(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> Response[Any]:
    """What a saved search finds now."""
    kept = waypost.searches.find(principal, name)
    asked = {"q": kept.q, "sort": kept.sort, "group": kept.group}
    asked |= {"strict": "true"} if kept.strict else {}
    asked |= {"literal": kept.literal} if kept.literal else {}
    return Redirect(f"/?{urlencode(asked)}", status_code=303)


@form_at("/searches/{name:str}/remove", Permission.READ)
def remove_search(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> Redirect:
    """Keep a search no longer."""
    waypost.searches.remove(principal, name)
    return Redirect("/searches", status_code=303)

"""Saved searches."""

from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody

from gateway.api.requests import READ, GivenPrincipal, GivenWaypost
from gateway.api.searches_out import SavedSearchOut, SearchesOut, SearchIn, search_out, searches_out


@get("/searches", opt=READ, sync_to_thread=True)
def list_searches(waypost: GivenWaypost, principal: GivenPrincipal) -> SearchesOut:
    """The searches you kept, then those of the teams of which you see a registry."""
    return searches_out(waypost.identity, waypost.searches.seen(principal))


@post("/searches", opt=READ, sync_to_thread=True)
def save_search(
    data: JSONBody[SearchIn], waypost: GivenWaypost, principal: GivenPrincipal
) -> Response[SavedSearchOut]:
    """Keep a search under a name. The one of this name is replaced and keeps its address, with 200. For a team you
    need a role on it that may declare dependencies."""
    saved, is_new = waypost.searches.save(principal, data.spec())
    return Response(search_out(waypost.identity, saved), status_code=201 if is_new else 200)


@get("/searches/{name:str}", opt=READ, sync_to_thread=True)
def show_search(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> SavedSearchOut:
    """One saved search, by its id or its name: your own comes before that of a team."""
    return search_out(waypost.identity, waypost.searches.find(principal, name))


@delete("/searches/{name:str}", opt=READ, sync_to_thread=True)
def remove_search(name: FromPath[str], waypost: GivenWaypost, principal: GivenPrincipal) -> None:
    """Keep a search no longer."""
    waypost.searches.remove(principal, name)

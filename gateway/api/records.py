"""Whole records, registry by registry: what another gateway reads of this one."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, Parameter

from federation.sharing.sharing import Sharing
from gateway.api.records_out import RecordsOut, read_key, records_out
from gateway.api.requests import READ, GivenView, GivenWaypost

MostRecords = Annotated[int, Parameter(ge=1, le=1000)]
Since = Annotated[str | None, Parameter(description="The `since` of an answer: only what changed after it.")]
OneKey = Annotated[str | None, Parameter(description="The record with this key: base64url of KIND:ID.")]


@get("/registries/{name:str}/records", opt=READ, sync_to_thread=True)
def list_records(
    name: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    since: FromQuery[Since] = None,
    key: FromQuery[OneKey] = None,
    cursor: FromQuery[str | None] = None,
    limit: FromQuery[MostRecords] = 200,
) -> RecordsOut:
    """The whole records of a registry: models, versions and endpoints with everything their backend says of them, page
    by page; with `since` only what changed since an answer, and what is gone; with `key` one, by its kind and id.
    """
    sharing = Sharing(waypost.engine)
    if key is not None:
        return records_out(sharing.one(view, name, read_key(key, "key")))
    if since is not None:
        return records_out(sharing.changed(view, name, since, limit))
    after = None if cursor is None else read_key(cursor, "cursor")
    return records_out(sharing.every(view, name, after, limit))

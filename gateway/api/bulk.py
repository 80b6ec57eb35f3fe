"""Tags and deprecations of many models and versions at once."""

import asyncio
from typing import Annotated, Any

from litestar import Response, post
from litestar.params import JSONBody, QueryParameter

from federation.access import Permission
from gateway.api.bulk_out import BulkIn, BulkOut, BulkPlanOut, bulk_out, bulk_plan
from gateway.api.requests import GivenPrincipal, GivenWaypost, needs, planned


@post(
    "/bulk",
    opt=needs(Permission.TAG),
    status_code=202,
    responses=planned(BulkPlanOut),
)
async def change_many(
    data: JSONBody[BulkIn],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    dry_run: Annotated[
        bool, QueryParameter(name="dry_run", description="change nothing: answer 200 with the plan")
    ] = False,
) -> Response[BulkOut]:
    """Set tags of many models and versions, or deprecate many models, after one preview; all of it or none. Asked for
    again, it changes only what is not so yet.
    """
    if dry_run:
        plan = await asyncio.to_thread(bulk_plan, waypost, principal, data)
        shown: Any = Response(plan, status_code=200)
        return shown  # type: ignore[no-any-return]
    return Response(await asyncio.to_thread(bulk_out, waypost, principal, data), status_code=202)

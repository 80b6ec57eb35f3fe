"""`POST /hooks/{registry}`: where backends announce changes, and each proves itself by its own means."""

import asyncio

import msgspec
from litestar import post
from litestar.params import FromPath

from adapters import Notification
from gateway.api.requests import PUBLIC, AnyRequest, GivenWaypost


class TakenOut(msgspec.Struct):
    """How many records are read because of it."""

    reading: int


@post("/hooks/{registry:str}", opt=PUBLIC, status_code=202)
async def take_notification(registry: FromPath[str], request: AnyRequest, waypost: GivenWaypost) -> TakenOut:
    """Take in what a backend announces: the records that it names are read from the backend at once. The request must
    prove by the backend's own means that it comes from there, as the registry's configuration says.
    """
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.scope["headers"]
    }
    notification = Notification(headers, await request.body())
    return TakenOut(await asyncio.to_thread(waypost.hooks.receive, registry, notification))

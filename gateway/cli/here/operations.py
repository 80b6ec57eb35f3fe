"""Operations: still by the HTTP application in parts."""

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from gateway.app import API, bring, create_embedded
from gateway.cli import client
from gateway.cli.client import of_reference
from gateway.cli.here import Query

if TYPE_CHECKING:
    from gateway.waypost import Waypost

HEADERS = ("Idempotency-Key", "If-Match")


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked of operations."""
    front = create_embedded(waypost)
    path = f"{API}/{'/'.join(map(of_reference, asked[1:]))}"
    bring(front, path)
    headers = {name: query[name] for name in HEADERS if name in query}
    rest = {name: value for name, value in query.items() if name not in HEADERS}

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app=front)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as web:
            return await web.request(asked[0], path, params=rest, headers=headers, json=body)

    response = asyncio.run(request())
    if response.status_code >= 300:
        raise client.ProblemError(response.status_code, response.json())
    return msgspec.Raw(response.content) if response.content else None

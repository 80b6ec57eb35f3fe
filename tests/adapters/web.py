"""Answers for the way out without a network: what `adapters.outgoing` would send goes to a router of respx."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import pytest
import respx

from adapters.outgoing import HttpAnswer, Pool


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.MockRouter]:
    """Nothing answers but what is declared on the router."""
    router = respx.MockRouter(assert_all_called=False)

    def request(
        pool: Pool,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        deadline: float,
        most: int,
    ) -> HttpAnswer:
        answer = router.handler(httpx.Request(method, url, headers=headers, content=body))
        answer.read()
        return HttpAnswer(answer.status_code, dict(answer.headers), answer.content)

    monkeypatch.setattr(Pool, "request", request)
    yield router

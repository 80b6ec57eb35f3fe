"""What nobody can read, and what takes its time, is answered with a 4xx problem that has every header."""

import asyncio
import io
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import structlog

from gateway.door import exchange
from gateway.door.exchange import Exchange
from gateway.logs import make_inert
from gateway.problems import ProblemError
from tests.gateway.access.gate import Gate

PAGE = {"Accept": "text/html"}
JSON = {"Content-Type": "application/json"}


def is_sound(answer: httpx.Response) -> bool:
    """Whether an answer has what every answer has."""
    return answer.headers["x-content-type-options"] == "nosniff" and "x-request-id" in answer.headers


@pytest.mark.parametrize("host", ["localhost:abc", "localhost:99999", "127.0.0.1:-1", "localhost:٣"])
@pytest.mark.parametrize("path", ["/x", "/sign-in", "/api/v1/registries"])
def test_a_port_that_is_none_is_a_bad_request_on_every_page(local: Gate, host: str, path: str) -> None:
    answer = local.ask("GET", path, headers={"Host": host.encode(), **PAGE})  # type: ignore[dict-item]
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-request")
    assert is_sound(answer)


def test_a_request_names_one_host(local: Gate) -> None:
    twice = [("Host", "localhost"), ("Host", "elsewhere.example")]
    answer = local.runner.run(local.client.get("/health/live", headers=twice))
    assert (answer.status_code, answer.json()["detail"]) == (400, "a request names one Host")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"name":"\xff"}', 400, "not UTF-8"),
        (b'{"name":"a\\u0000"}', 422, "U+0000"),
        (b'{"name":"a\\\\\\u0000"}', 422, "U+0000"),
        (b'{"name":"' + b'a","b":' + b"[" * 40 + b"]" * 40 + b"}", 400, "levels of nesting"),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_that_cannot_be_kept_is_refused_whatever_its_label_says(
    local: Gate, body: bytes, status: int, said: str, kind: str
) -> None:
    answer = local.ask("POST", "/api/v1/tokens", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)
    assert is_sound(answer)


def test_a_backslash_before_u0000_stands_for_itself(local: Gate) -> None:
    answer = local.ask(
        "POST", "/api/v1/tokens", content=b'{"name":"\\\\u0000","role":"viewer"}', headers=JSON
    )
    assert (answer.status_code, "U+0000" in answer.text) == (422, False)


def test_a_form_holds_no_u0000_either(local: Gate) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = local.ask("POST", "/sign-in", content=b"token=a%00", headers=kind)
    assert (answer.status_code, "U+0000" in answer.text) == (422, True)


@pytest.mark.parametrize(
    "path", ["/health/live", "/sign-in", "/docs", "/openapi.json", "/api/v1/registries", "/search"]
)
def test_head_is_get_without_its_body(local: Gate, path: str) -> None:
    whole, head = local.ask("GET", path), local.ask("HEAD", path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_what_may_depend_on_a_cookie_is_kept_by_nobody(local: Gate) -> None:
    for path in ("/api/v1/whoami", "/registries.json", "/search.csv?q=x"):
        assert "no-store" in local.ask("GET", path, headers={"Cookie": "a=b"}).headers["cache-control"]
    assert "cache-control" not in local.ask("GET", "/api/v1/whoami").headers


def exchanged(*messages: Any, method: str = "POST") -> tuple[Exchange, list[Any]]:
    """An exchange whose client sends these, then nothing; and what it is sent."""
    waiting, sent = list(messages), []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": method}
    return Exchange(scope, receive, send), sent


PART: Any = {"type": "http.request", "body": b"a", "more_body": True}


def refused(messages: list[Any]) -> ProblemError:
    """What reading the body of such a request ends in."""

    async def read() -> None:
        found, _ = exchanged(*messages)
        while True:
            await found.receive()

    with pytest.raises(ProblemError) as raised:
        asyncio.run(read())
    return raised.value


def test_a_body_that_trickles_is_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BODY_WITHIN", 0.05)
    found = refused([PART, PART])
    assert (found.status, found.headers) == (408, {"Connection": "close"})


def test_a_body_that_breaks_off_is_a_bad_request() -> None:
    assert refused([PART, {"type": "http.disconnect"}]).status == 400


def test_a_client_that_does_not_take_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "TAKEN_WITHIN", 0.05)

    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    async def answer() -> None:
        scope: Any = {"type": "http", "method": "GET"}
        found = Exchange(scope, never, never)  # type: ignore[arg-type]
        await found.send({"type": "http.response.body", "body": b"a", "more_body": True})

    with pytest.raises(exchange.BrokenOffError):
        asyncio.run(answer())


def test_an_answer_to_head_ends_a_stream() -> None:
    async def answer() -> list[Any]:
        found, sent = exchanged(method="HEAD")
        await found.send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await found.send({"type": "http.response.body", "body": b"event", "more_body": True})
        assert (await found.receive())["type"] == "http.disconnect"
        return sent

    start, body = asyncio.run(answer())
    assert start["status"] == 200
    assert (body["body"], body["more_body"]) == (b"", False)


def test_an_application_that_breaks_still_answers_with_every_header(
    local: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("a handler of errors that needed something")

    monkeypatch.setattr(local.app, "app", broken)
    answer = local.ask("GET", "/sign-in")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert is_sound(answer)


@pytest.fixture
def text_log() -> tuple[Callable[..., None], io.StringIO]:
    """The text log as it is set up, into a buffer."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                make_inert,
                structlog.dev.ConsoleRenderer(colors=False),
            ]
        )
    )
    logger = logging.Logger("text")  # noqa: LOG001  one that nothing else hears of
    logger.addHandler(handler)
    return structlog.wrap_logger(
        logger, processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    ).info, written


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "\x9b31m", "\u202egpj", "a\n2026-01-01 forged", "a\rb", "\u2028", "\x08"]
)
def test_what_a_stranger_sent_does_nothing_to_a_terminal(
    text_log: tuple[Callable[..., None], io.StringIO], text: str
) -> None:
    told, written = text_log
    told("request", path=text)
    line = written.getvalue().removesuffix("\n")
    assert line.isprintable(), ascii(line)

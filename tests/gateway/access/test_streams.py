"""Answers that stay open: they end with the right to see them, and one person has only so many."""

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from federation.access import EVERYTHING, LOCAL
from federation.database import writing
from federation.identity import grants, sessions, tokens
from federation.journal import journal
from federation.registry_names import find_registry
from federation.sync import schedule
from gateway.door import exchange
from gateway.pages import registries
from gateway.problems import ProblemError
from gateway.streams import MOST, Streams
from tests.gateway.access.gate import Gate
from tests.gateway.access.test_sign_in import signed_in
from tests.gateway.access.worlds import draft, write
from tests.patience import until


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.streams.STILL_EVERY", 0.05)
    monkeypatch.setattr(registries, "LOOK_EVERY", 0.01)


def run_of(guarded: Gate) -> int:
    """A run that waits, since no worker is here."""
    with writing(guarded.waypost.engine) as connection:
        registry_id = find_registry(connection, EVERYTHING, "fraud")
        assert registry_id is not None
        return schedule.request(connection, registry_id, full=False)


def scope_of(path: str, headers: dict[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [
            (b"host", b"localhost"),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ],
        "client": ("192.0.2.7", 1),
        "server": ("localhost", 80),
    }


def stream(guarded: Gate, headers: dict[str, str], during: Callable[[], object], path: str = "") -> str:
    """What a stream, of progress where no path says otherwise, says until it ends; `during` is called once it has
    begun.
    """
    scope = scope_of(path or f"/syncs/{run_of(guarded)}/progress", headers)
    said: list[bytes] = []

    async def follow() -> None:
        begun, ended = asyncio.Event(), asyncio.Event()

        async def receive() -> Any:
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            said.append(message.get("body", b""))
            if message.get("body"):
                begun.set()
            elif not message.get("more_body", True):
                ended.set()

        task = asyncio.ensure_future(guarded.app(scope, receive, send))  # type: ignore[arg-type]
        await asyncio.wait_for(begun.wait(), 10)
        await asyncio.to_thread(during)
        await asyncio.wait_for(task, 10)

    guarded.runner.run(follow())
    return b"".join(said).decode()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.usefixtures("quick")
def test_a_stream_ends_with_its_token(guarded: Gate) -> None:
    def revoke() -> None:
        with writing(guarded.waypost.engine) as connection:
            tokens.revoke(connection, "ci", LOCAL)
        guarded.waypost.identity.directory.look()

    said = stream(guarded, bearer(guarded.token("ci", ("viewer", "*"))), revoke)
    assert "event: progress" in said
    assert "event: end" in said


@pytest.mark.usefixtures("quick")
def test_a_stream_ends_with_the_role(guarded: Gate) -> None:
    def take() -> None:
        with writing(guarded.waypost.engine) as connection:
            grants.remove(connection, grants.visible(connection, LOCAL)[-1].id, LOCAL)
        guarded.waypost.identity.directory.look()

    assert "event: end" in stream(guarded, bearer(guarded.token("ci", ("viewer", "*"))), take)


@pytest.mark.usefixtures("quick")
def test_a_stream_ends_with_the_session(guarded: Gate) -> None:
    browser = signed_in(guarded, guarded.token("ci", ("viewer", "*")))

    def sign_out() -> None:
        with writing(guarded.waypost.engine) as connection:
            assert sessions.end(connection, browser["Cookie"].partition("=")[2])
        guarded.waypost.identity.directory.look()

    assert "event: end" in stream(guarded, browser, sign_out)


@pytest.mark.usefixtures("quick")
def test_a_stream_of_events_shows_nothing_that_is_hidden(
    guarded: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.events.events.LOOK_EVERY", 0.0)
    events, given = guarded.waypost.events, list[Any]()
    read = events.after

    def after(*asked: Any) -> Any:
        given.append(read(*asked))
        return given[-1]

    monkeypatch.setattr(events, "after", after)
    token = guarded.token("ci", ("viewer", "registry:fraud"))

    def happen() -> None:
        for registry in ("images", "fraud", "images"):
            write(guarded, draft(random.Random(1), registry))
        guarded.follow()
        until(lambda: any(given))
        with writing(guarded.waypost.engine) as connection:
            tokens.revoke(connection, "ci", LOCAL)
        guarded.waypost.identity.directory.look()

    headers = {**bearer(token), "Accept": "text/event-stream"}
    said = stream(guarded, headers, happen, "/api/v1/events")
    told = [
        json.loads(line.removeprefix("data: ")) for line in said.splitlines() if line.startswith("data: ")
    ]
    assert told
    assert {one["data"]["registry"] for one in told} == {"fraud"}


@pytest.mark.usefixtures("quick")
def test_one_person_has_so_many_streams_and_gives_them_back(guarded: Gate) -> None:
    token = guarded.token("ci", ("viewer", "*"))
    path, streams = f"/syncs/{run_of(guarded)}/progress", guarded.waypost.streams
    me = guarded.ask("GET", "/api/v1/whoami", token=token).json()["id"]
    held = [streams.take(me) for _ in range(MOST)]
    refused = guarded.ask("GET", path, token=token)
    assert refused.status_code == 429
    assert refused.headers["retry-after"]
    streams.take("p-somebody-else")
    streams.free(held[0])

    def end() -> None:
        with writing(guarded.waypost.engine) as connection:
            tokens.revoke(connection, "ci", LOCAL)
        guarded.waypost.identity.directory.look()

    assert "event: end" in stream(guarded, bearer(token), end)
    assert streams.take(me) == held[0]
    with pytest.raises(ProblemError):
        streams.take(me)


def test_processes_count_together_and_the_dead_give_back(tmp_path: Path) -> None:
    mine = Streams(tmp_path / "streams")
    for _ in range(MOST - 1):
        mine.take("p-1")
    script = (
        "import sys; from pathlib import Path; from gateway.streams import Streams; "
        "found = Streams(Path(sys.argv[1])); found.take('p-1'); print('one', flush=True); "
        "sys.stdin.readline(); found.take('p-1')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "streams")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "one\n"
        with pytest.raises(ProblemError):
            mine.take("p-1")
        _, said = other.communicate("\n", timeout=60)
        assert "streams open" in said
    mine.take("p-1")


LONG = ["/api/v1/audit/export?format=csv", "/api/v1/audit/export?format=cloudevents"]


@pytest.mark.parametrize("path", LONG)
def test_a_long_answer_is_broken_off_when_its_right_ends(
    guarded: Gate, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Whatever streams is asked about between two pieces, so this holds for routes that are yet to come."""
    monkeypatch.setattr(exchange, "STILL_EVERY", 0.0)
    monkeypatch.setattr(journal, "blocks", lambda pieces: pieces)
    pieces: list[bytes] = []

    def revoke() -> None:
        with writing(guarded.waypost.engine) as connection:
            tokens.revoke(connection, "ci", LOCAL)
        guarded.waypost.identity.directory.look()

    async def send(message: Any) -> None:
        if message.get("body"):
            pieces.append(message["body"])
            if len(pieces) == 1:
                await asyncio.to_thread(revoke)

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def follow() -> None:
        await guarded.app(scope_of(path, bearer(guarded.token("ci", ("auditor", "*")))), receive, send)  # type: ignore[arg-type]

    with pytest.raises(exchange.BrokenOffError, match="may no longer see it"):
        guarded.runner.run(follow())
    assert len(pieces) == 1

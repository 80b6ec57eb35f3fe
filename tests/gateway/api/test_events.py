"""What a served gateway tells of: pages, the stream and `waypost watch`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import run
from tests.gateway.api.test_operations import ended
from tests.gateway.served import Served, served
from tests.patience import until

CONFIG = """
[[registries]]
name = "r"
kind = "memory"
team = "t"
sync_every = 0
writable = true
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("events"), config=CONFIG) as running:
        yield running


def register(gateway: Served, model: str) -> None:
    body = {"model": model, "source": "s3://bucket/model"}
    assert ended(gateway, gateway.client.post("/registries/r/versions", json=body))["state"] == "ok"


def feed(gateway: Served, **asked: Any) -> dict[str, Any]:
    answer = gateway.client.get("/events", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def streamed(gateway: Served, count: int, last: str = "", **asked: Any) -> list[dict[str, Any]]:
    """The first events of a stream; those with a comment alone say only that it is there."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
    found: list[dict[str, Any]] = []
    with gateway.client.stream("GET", "/events", params=asked, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = ""
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                told = value
            elif name == "data":
                found.append(json.loads(value))
                assert found[-1]["id"] == told
                if len(found) == count:
                    break
    return found


def test_a_stream_gives_what_the_pages_give_and_goes_on_where_it_was(gateway: Served) -> None:
    register(gateway, "streamed")
    until(lambda: len(feed(gateway, on="r/streamed")["events"]) == 2)
    paged = feed(gateway, on="r/streamed")["events"]
    assert [one["type"] for one in paged] == ["waypost.model.created", "waypost.version.created"]
    start = feed(gateway, limit=1)["events"][0]["id"]
    assert streamed(gateway, 2, after=start, on="r/streamed") == paged
    assert streamed(gateway, 1, last=paged[0]["id"], type="version") == [paged[1]]


def test_a_mistake_is_answered_before_a_stream_begins(gateway: Served) -> None:
    for asked, status in (({"after": "17"}, 422), ({"type": "stagge"}, 422), ({"on": "r/nothing"}, 404)):
        answer = gateway.client.get("/events", params=asked, headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_watch_runs_a_command_for_each_event_and_ends_where_it_fails(
    gateway: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    register(gateway, "watched")
    until(lambda: len(feed(gateway, on="r/watched")["events"]) == 2)
    asked = ["watch", "--url", gateway.url, "--on", "r/watched", "--once", "--after"]
    start = feed(gateway, limit=1)["events"][0]["id"]

    assert run([*asked, start, "--json"]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [one["type"] for one in lines] == ["waypost.model.created", "waypost.version.created"]

    script, file = tmp_path / "hook.py", tmp_path / "told"
    script.write_text(
        "import json, os, sys\n"
        f"with open({str(file)!r}, 'a') as out: print(json.load(sys.stdin)['id'], os.environ['WAYPOST_EVENT_TYPE'],"
        " file=out)\n"
        "sys.exit(os.environ['WAYPOST_EVENT_TYPE'] == sys.argv[1])\n"
    )
    hook = f"{sys.executable} {script}"
    assert run([*asked, start, "--exec", f"{hook} waypost.version.created"]) == 1
    assert f"--after {lines[0]['id']}" in capfd.readouterr().err
    assert run([*asked, lines[0]["id"], "--exec", f"{hook} nothing"]) == 0
    told = [line.split() for line in file.read_text().splitlines()]
    assert told == [[one["id"], one["type"]] for one in [*lines, lines[1]]]

"""What a served gateway tells of: pages, the stream and `waypost watch`."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook as Verifier

from federation.database import writing
from federation.events.tables import delivery
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
[events]
allowed_networks = ["127.0.0.0/8"]
"""


class EventReceiver(BaseHTTPRequestHandler):
    """Takes what it is sent, unless it `fails`."""

    protocol_version = "HTTP/1.1"
    got: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    fails: ClassVar[set[int]] = set()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.got.append((headers, body))
        self.send_response(500 if self.fails else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    EventReceiver.got, EventReceiver.fails = [], set()
    with ThreadingHTTPServer(("127.0.0.1", 0), EventReceiver) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/in"
        server.shutdown()


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


def test_changes_as_a_table(gateway: Served) -> None:
    register(gateway, "listed")
    until(lambda: len(feed(gateway, on="r/listed")["events"]) == 2)
    asked = {"on": "r/listed", "format": "csv"}
    for path, head in (("/changes", "time,type"), (f"{gateway.url}/changes.csv", "id,time")):
        answer = gateway.client.get(path, params=asked)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.text.startswith(head)
        assert answer.text.count("r/listed:1") >= 1


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


def test_a_webhook_by_command_page_and_api(
    gateway: Served, receiver: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def waypost(*words: str) -> tuple[int, str]:
        code = run(["webhooks", *words, "--url", gateway.url])
        return code, capfd.readouterr().out.strip()

    register(gateway, "earlier")
    until(lambda: len(feed(gateway, on="r/earlier")["events"]) == 2)
    code, secret = waypost("add", "hook", receiver, "--type", "version", "--on", "team:t")
    assert (code, secret[:6]) == (0, "whsec_")
    register(gateway, "hooked")
    until(lambda: EventReceiver.got)
    headers, body = EventReceiver.got[0]
    told = Verifier(secret).verify(body, headers)
    assert (told["id"], told["subject"]) == (headers["webhook-id"], "r/hooked:1")
    [hook] = gateway.client.get("/webhooks").json()["webhooks"]
    assert (hook["name"], hook["on"], hook["source"]) == ("hook", "team:t", "api")

    page = gateway.client.get(f"{gateway.url}/webhooks/{hook['id']}", headers={"Accept": "text/html"})
    assert "r/hooked:1" in page.text
    assert secret not in page.text
    form = {"Origin": gateway.url}
    tested = gateway.client.post(f"{gateway.url}/webhooks/{hook['id']}", data={"do": "test"}, headers=form)
    assert "taken with 204" in tested.text

    EventReceiver.fails.add(500)
    register(gateway, "failing")
    path = f"/webhooks/{hook['id']}/deliveries"
    until(lambda: [one["tries"] for one in gateway.client.get(path).json()["deliveries"]] == [1, 1])
    [failed, fine] = gateway.client.get(path).json()["deliveries"]
    assert (failed["state"], failed["status"], failed["subject"]) == ("waiting", 500, "r/failing:1")
    assert (fine["state"], fine["status"]) == ("delivered", 204)
    assert waypost("test", "hook")[0] == 1
    of = f'{{name="hook",webhook="{hook["id"]}"}}'
    metrics = gateway.client.get(f"{gateway.url}/metrics").text
    assert f"waypost_webhook_waiting{of} 1.0" in metrics
    assert f"waypost_webhook_dead{of} 0.0" in metrics
    assert re.search(rf"waypost_webhook_lag_seconds{re.escape(of)} (?!0.0\b)", metrics)
    with writing(gateway.engine) as connection:
        connection.execute(update(delivery).where(delivery.c.state == "waiting").values(state="dead"))
    config = Path(str(gateway.engine.url.database)).with_name("waypost.toml")
    run(["doctor", "--json", "--config", str(config)])
    [found] = [one for one in json.loads(capfd.readouterr().out) if one["what"] == "webhook hook"]
    assert (found["state"], found["found"]) == ("warn", "given up: 1 event")
    EventReceiver.fails.clear()
    sent = len(EventReceiver.got)
    assert waypost("replay", "hook", "--since", "2026-01-01")[0] == 0

    def again() -> set[str]:
        return {json.loads(body)["subject"] for _, body in EventReceiver.got[sent:]}

    until(lambda: {"r/earlier:1", "r/hooked:1", "r/failing:1"} <= again())  # also from before it was made

    code, new = waypost("rotate", "hook")
    assert (code, new != secret) == (0, True)
    assert waypost("deliveries", "hook", "--state", "dead")[0] == 0
    made = gateway.client.post(
        f"{gateway.url}/webhooks", data={"name": "two", "url": "nowhere"}, headers=form
    )
    assert (made.status_code, "http:// or https://" in made.text) == (422, True)
    assert waypost("remove", "hook")[0] == 0
    assert waypost("remove", "hook")[0] == 2
    assert gateway.client.get("/webhooks").json()["webhooks"] == []

"""What webhooks go out through: public networks and those that are allowed, no redirects, nothing of a body told."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from adapters.outgoing import is_allowed
from federation.access import EVERYTHING, LOCAL
from federation.database import open_engine
from federation.events.events import WebhookSpec
from federation.leases import Leases
from gateway import outbox
from gateway.outbox import Outbox
from tests.federation.events.told import CHURN, OTHER, ToldFeed, model, version
from tests.patience import until
from tests.servers import blank


class OutboxReceiver(BaseHTTPRequestHandler):
    """Answers as its path says."""

    protocol_version = "HTTP/1.1"
    got: ClassVar[list[str]] = []
    bodies: ClassVar[list[bytes]] = []
    hung: ClassVar[threading.Event] = threading.Event()
    slow: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(self.path)
        if self.path == "/slow":
            self.bodies.append(body)
            self.slow.wait(60)
        if self.path == "/hang":
            self.hung.wait(60)
            return
        status = {"/moved": 307, "/full": 503}.get(self.path, 200)
        body = b"x" * (1 << 20) if self.path == "/large" else b"a secret of the receiver's"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/elsewhere")
        self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OutboxReceiver) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_private_networks_are_refused_unless_allowed(receiver: str) -> None:
    OutboxReceiver.got.clear()
    answer = Outbox()(f"{receiver}/", {}, b"{}")
    assert (answer.status, answer.is_taken, OutboxReceiver.got) == (None, False, [])
    assert "allowed_networks" in answer.error
    assert Outbox(["127.0.0.0/8"])(f"{receiver}/", {}, b"{}").is_taken


def test_what_is_public() -> None:
    networks = outbox._public()
    for inside in (
        "8.8.8.8",
        "1.1.1.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "172.32.0.1",
        "192.167.255.255",
    ):
        assert is_allowed(inside, networks), inside
    for outside in (
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "198.18.0.1",
    ):  # fmt: skip
        assert not is_allowed(outside, networks), outside


def test_no_answer_is_followed_or_told(receiver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    OutboxReceiver.got.clear()
    post = Outbox(["127.0.0.0/8"])
    moved, full, large = (post(f"{receiver}/{path}", {}, b"{}") for path in ("moved", "full", "large"))
    assert OutboxReceiver.got == ["/moved", "/full", "/large"]
    assert (moved.status, moved.is_taken, moved.error) == (
        307,
        False,
        "the receiver answered 307, which is not followed",
    )
    assert (full.status, full.error, full.retry_after) == (503, "the receiver answered 503", 7.0)
    assert (large.status, large.is_taken) == (200, True)  # its status had come
    assert not any("secret" in one.error for one in (moved, full, large))
    monkeypatch.setattr(outbox, "PATIENCE", 0.2)
    hung = post(f"{receiver}/hang", {}, b"{}")
    OutboxReceiver.hung.set()
    assert (hung.status, hung.error) == (None, "the receiver did not answer")
    assert post("http://127.0.0.1:9/", {}, b"{}").error == "the receiver cannot be connected to"


def test_a_receiver_that_answers_slowly_delays_nobody_else_and_gets_all_in_order(
    receiver: str, tmp_path: Path
) -> None:
    OutboxReceiver.got.clear()
    engine = open_engine(blank.sqlite(tmp_path / "waypost.db"))
    told = ToldFeed(engine, views=lambda owner: EVERYTHING, post=lambda: Outbox(["127.0.0.0/8"]))
    webhooks = told.events.webhooks
    slow, quick = (
        webhooks.create(LOCAL, WebhookSpec(name=name, url=f"{receiver}/{name}", types=("version",)))[0].id
        for name in ("slow", "quick")
    )
    for key in (CHURN, OTHER):
        told.write("fraud", model(key, key.native_id), *(version(key, str(number)) for number in range(3)))
    told.follow()
    webhooks.sender(Leases("one")).step()
    until(lambda: webhooks.show(LOCAL, quick).waiting == 0)
    until(lambda: OutboxReceiver.got.count("/slow") == 2)  # the first of each model, and none behind it
    assert webhooks.show(LOCAL, slow).waiting == 6
    OutboxReceiver.slow.set()
    until(lambda: webhooks.show(LOCAL, slow).waiting == 0)
    engine.dispose()
    subjects = [json.loads(body)["subject"] for body in OutboxReceiver.bodies]
    for name in (CHURN.native_id, OTHER.native_id):
        wanted = [f"fraud/{name}:{number}" for number in range(3)]
        assert [one for one in subjects if one.startswith(f"fraud/{name}:")] == wanted

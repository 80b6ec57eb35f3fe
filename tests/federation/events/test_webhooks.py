"""Webhooks: at least once, in order for each model, held back by what fails, and given up after days."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from sqlalchemy import Engine, select, update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from adapters import Key
from federation import tables
from federation.access import EVERYTHING, LOCAL, NOTHING, READER, Permission, Principal, View
from federation.database import now, open_engine, writing
from federation.errors import InvalidRequestError, StateError, UnknownError
from federation.events.events import (
    EventQueryError,
    Events,
    PostAnswer,
    Selected,
    SigningSecretError,
    ToldEvent,
    WebhookError,
    WebhookSpec,
)
from federation.events.tables import delivery
from federation.leases import FencedError, Leases
from tests.federation.events.told import CHURN, OTHER, ToldFeed, model, version
from tests.federation.operations.victims import die, killed
from tests.federation.sync.world import expire_leases
from tests.soak import soak

FINE = PostAnswer(200)
SPEC = WebhookSpec(name="hook", url="https://receiver.example/in", types=("version",))


class WebhookReceiver:
    """Keeps what it is sent; `fails` names subjects that it does not take."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Mapping[str, str], bytes]] = []
        self.fails: set[str] = set()

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> PostAnswer:
        self.got.append((url, headers, body))
        return PostAnswer(503, "the receiver answered 503") if self.last in self.fails else FINE

    @property
    def last(self) -> str:
        return str(read(self.got[-1][2]).get_subject())

    @property
    def subjects(self) -> list[str]:
        return [str(read(body).get_subject()) for _, _, body in self.got]


def read(body: bytes) -> Any:
    return JSONFormat().read(CloudEvent, body)


class WebhookWorld(ToldFeed):
    def __init__(self, engine: Engine) -> None:
        self.receiver, self.view = WebhookReceiver(), EVERYTHING
        super().__init__(engine, views=lambda owner: self.view, post=lambda: self.receiver)
        self.follow()
        self.sender = self.events.webhooks.sender(Leases("one"))

    def happen(self, *versions: str, of: Key = CHURN) -> None:
        name = {CHURN: "churn", OTHER: "other"}[of]
        self.write("fraud", model(of, name), *(version(of, one) for one in versions))
        self.follow()

    def send(self, ident: int) -> None:
        while self.sender.turn(ident):
            pass

    def wait(self) -> None:
        """Let the time come at which what failed is tried again."""
        with writing(self.engine) as connection:
            connection.execute(update(delivery).where(delivery.c.state == "waiting").values(due=now()))

    def states(self, ident: int) -> list[tuple[str, str, int]]:
        found = self.events.webhooks.deliveries(LOCAL, ident, None, None, 100)
        return [(one.subject, one.state, one.tries) for one in reversed(found)]


@pytest.fixture
def world(database: str) -> Iterator[WebhookWorld]:
    engine = open_engine(database)
    yield WebhookWorld(engine)
    engine.dispose()


def test_what_happens_is_sent_once_in_order_and_the_reference_library_verifies(world: WebhookWorld) -> None:
    world.happen("0")
    made, secret = world.events.webhooks.create(LOCAL, SPEC)
    world.happen("1", "2")
    world.send(made.id)
    assert world.receiver.subjects == ["fraud/churn:1", "fraud/churn:2"]
    for url, headers, body in world.receiver.got:
        assert (url, headers["Content-Type"]) == (SPEC.url, "application/cloudevents+json")
        assert Verifier(secret).verify(body, dict(headers))["id"] == headers["webhook-id"]
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(body + b" ", dict(headers))
    assert [one.id for one in world.all() if one.type == "version.created"][1:] == [
        headers["webhook-id"] for _, headers, _ in world.receiver.got
    ]
    new = world.events.webhooks.rotate(LOCAL, made.id, timedelta(hours=1))
    world.happen("3")
    world.send(made.id)
    _, headers, body = world.receiver.got[-1]
    for each in (secret, new):
        Verifier(each).verify(body, dict(headers))
    last = world.events.webhooks.rotate(LOCAL, made.id, timedelta())
    assert world.events.webhooks.test(LOCAL, made.id) == FINE
    _, headers, body = world.receiver.got[-1]
    Verifier(last).verify(body, dict(headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(new).verify(body, dict(headers))


def test_what_fails_holds_back_its_model_alone_until_it_is_given_up(world: WebhookWorld) -> None:
    world.sender = world.events.webhooks.sender(Leases("one"), retries=(3600.0,))
    made, _ = world.events.webhooks.create(LOCAL, SPEC)
    world.receiver.fails = {"fraud/churn:1"}
    world.happen("1", "2")
    world.happen("1", of=OTHER)
    world.send(made.id)
    assert world.states(made.id) == [
        ("fraud/churn:1", "waiting", 1), ("fraud/churn:2", "waiting", 0), ("fraud/other:1", "delivered", 1),
    ]  # fmt: skip
    world.send(made.id)
    assert world.receiver.subjects.count("fraud/churn:1") == 1  # not before its time
    world.wait()
    world.send(made.id)
    assert world.states(made.id)[:2] == [("fraud/churn:1", "dead", 2), ("fraud/churn:2", "delivered", 1)]
    assert (
        world.events.webhooks.show(LOCAL, made.id).waiting,
        world.events.webhooks.show(LOCAL, made.id).dead,
    ) == (0, 1)
    first = [
        headers["webhook-id"]
        for _, headers, body in world.receiver.got
        if read(body).get_subject() == "fraud/churn:1"
    ]
    world.receiver.fails = set()
    assert world.events.webhooks.replay(LOCAL, made.id, after=None, since=None, dead=True) == 1
    world.send(made.id)
    assert world.receiver.got[-1][1]["webhook-id"] == first[0]
    assert {state for _, state, _ in world.states(made.id)} == {"delivered"}
    ids = [one.id for one in world.events.webhooks.deliveries(LOCAL, made.id, None, None, 100)][::-1]
    assert world.events.webhooks.replay(LOCAL, made.id, after=ids[0], since=None, dead=False) == 2
    assert (
        world.events.webhooks.replay(LOCAL, made.id, after=None, since=now() - timedelta(days=1), dead=False)
        == 3
    )
    before = len(world.receiver.got)
    world.send(made.id)
    assert len(world.receiver.got) == before + 3
    for after, dead in (("17", False), (ids[0], True), (None, False)):
        with pytest.raises(InvalidRequestError):
            world.events.webhooks.replay(LOCAL, made.id, after=after, since=None, dead=dead)


def test_a_receiver_that_comes_back_after_a_day_misses_nothing(world: WebhookWorld) -> None:
    made, _ = world.events.webhooks.create(LOCAL, SPEC)
    names = [str(number) for number in range(8)]
    world.receiver.fails = {f"fraud/churn:{name}" for name in names}
    for name in names:
        world.happen(name)
        world.send(made.id)
        world.wait()
    assert world.states(made.id)[0][1:] == ("waiting", 8)
    assert {tries for _, _, tries in world.states(made.id)[1:]} == {0}
    world.receiver.fails, world.receiver.got = set(), []
    world.send(made.id)
    assert world.receiver.subjects == [f"fraud/churn:{name}" for name in names]


def test_a_slow_receiver_is_gone_on_with_where_it_was(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BATCH_SECONDS", "TURN"):
        monkeypatch.setattr(f"federation.events.sending.{name}", -1.0)  # always over at once
    made, _ = world.events.webhooks.create(LOCAL, SPEC)
    world.happen("1", "2")
    assert world.sender.turn(made.id)
    assert world.receiver.subjects == ["fraud/churn:1"]
    monkeypatch.undo()
    world.send(made.id)
    assert world.receiver.subjects == ["fraud/churn:1", "fraud/churn:2"]


def test_an_address_where_all_is_held_back_is_left_alone_for_a_while(world: WebhookWorld) -> None:
    made, _ = world.events.webhooks.create(LOCAL, SPEC)
    world.receiver.fails = {"fraud/churn:1"}
    world.happen("1", "2")
    world.sender._serve(made.id)
    assert len(world.receiver.got) == 1
    world.sender._serve(made.id)  # the second is due, and stands behind the first
    world.wait()
    world.sender.step()
    assert len(world.receiver.got) == 1
    world.events.webhooks.remove(LOCAL, made.id)
    with writing(world.engine) as connection:
        left = select(tables.lease.c.name).where(tables.lease.c.name.like("send %"))
        assert connection.execute(left).all() == []


def test_an_address_is_sent_what_its_owner_may_see_when_it_is_sent(world: WebhookWorld) -> None:
    fraud = View.of([world.ids["fraud"]])
    owner = Principal("p-1", "one", {**dict.fromkeys(READER, fraud), Permission.SUBSCRIBE: fraud})
    for hidden in ("registry:secret", "secret/other", "registry:nowhere"):
        with pytest.raises(UnknownError):
            world.events.webhooks.create(owner, replace(SPEC, on=hidden))
    made, _ = world.events.webhooks.create(owner, replace(SPEC, types=()))
    world.view = fraud
    world.write("secret", model(OTHER, "other"), version(OTHER, "1"))
    world.happen("1")
    world.send(made.id)
    assert world.receiver.subjects == ["fraud/churn", "fraud/churn:1"]
    world.happen("2")
    world.view = NOTHING
    world.send(made.id)
    assert len(world.receiver.got) == 2
    assert [subject for subject, _, _ in world.states(made.id)] == world.receiver.subjects
    stranger = replace(owner, id="p-2")
    assert world.events.webhooks.list(stranger) == []
    for asked in (world.events.webhooks.show, world.events.webhooks.remove, world.events.webhooks.test):
        with pytest.raises(UnknownError):
            asked(stranger, made.id)


def test_webhooks_of_the_configuration(world: WebhookWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "whsec_" + "A" * 40)
    monkeypatch.setenv("TWO", "whsec_" + "B" * 40)
    spec = replace(SPEC, secrets=("env:ONE", "env:TWO"))
    assert world.events.webhooks.apply([spec]) == ["webhook hook: added"]
    assert world.events.webhooks.apply([spec]) == []
    [made] = world.events.webhooks.list(LOCAL)
    world.happen("1")
    world.send(made.id)
    _, headers, body = world.receiver.got[-1]
    for each in ("A", "B"):
        Verifier("whsec_" + each * 40).verify(body, dict(headers))
    with pytest.raises(StateError, match="configuration"):
        world.events.webhooks.remove(LOCAL, made.id)
    monkeypatch.setenv("ONE", "whsec_" + "-_" * 20)
    with pytest.raises(SigningSecretError, match="base64"):
        world.events.webhooks.test(LOCAL, made.id)
    world.happen("2")
    world.send(made.id)
    assert world.states(made.id)[-1][1:] == ("waiting", 1)
    assert world.events.webhooks.apply([replace(spec, url="https://other.example")]) == [
        "webhook hook: changed"
    ]
    assert world.events.webhooks.apply([]) == ["webhook hook: removed"]


@pytest.mark.parametrize(
    "url",
    ["ftp://a", "https://", "https://u:p@a", "https://a/#b", "https://a b", "a", f"https://a/{'b' * 2000}"],
)
def test_addresses_that_are_refused(world: WebhookWorld, url: str) -> None:
    with pytest.raises(WebhookError):
        world.events.webhooks.create(LOCAL, replace(SPEC, url=url))
    with pytest.raises(EventQueryError):
        world.events.webhooks.create(LOCAL, replace(SPEC, types=("stagge",)))


POINTS = ("sending", "sent", "settled")
"""Where a worker dies: before an event goes out, after it has, after what became of a batch is kept."""


def serve(url: str, owner: str, point: str, ident: int, file: str) -> None:
    """One worker's life: until it dies, at its second event or after its first batch, or everything is sent."""
    engine, written = open_engine(url), os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    passed: list[str] = []

    def at(place: str) -> None:
        if place == point:
            passed.append(place)
            if len(passed) == (1 if place == "settled" else 2):
                die()

    def post(to: str, headers: Mapping[str, str], body: bytes) -> PostAnswer:
        at("sending")
        os.write(written, f"{headers['webhook-id']}\n".encode())
        at("sent")
        return FINE

    events = Events(engine, lambda who: EVERYTHING, lambda: post)
    sender = events.webhooks.sender(Leases(owner))
    sender.leases.reclaim(engine)
    while events.webhooks.show(LOCAL, ident).waiting:
        with suppress(FencedError):
            if sender.turn(ident):
                at("settled")
            else:
                time.sleep(0.01)
    engine.dispose()


@soak(sample=2, full=500, batch=10)
def test_two_senders_that_are_killed(cases: int, seed: int, database: str, tmp_path: Path) -> list[str]:
    """Each is killed again and again: every event arrives, and of one model in order, seen by when it first came."""
    engine = open_engine(database)
    world = WebhookWorld(engine)
    earlier = {one.id for one in world.all(limit=1000)}  # of the batch before this one
    made, _ = world.events.webhooks.create(LOCAL, replace(SPEC, name=str(seed)))
    file, deaths, rounds = tmp_path / f"sent{seed}", 0, count(seed)
    while deaths < cases:
        number = next(rounds)
        for key in (CHURN, OTHER):
            world.happen(*(f"{number}.{each}" for each in range(4)), of=key)
        points = POINTS[number % 3], POINTS[number // 3 % 3]
        with ThreadPoolExecutor() as pool:
            lives = [
                pool.submit(killed, serve, database, owner, point, made.id, str(file))
                for owner, point in zip(("one", "other"), points, strict=True)
            ]
            for life in as_completed(lives):
                deaths += life.result()
                expire_leases(engine)  # a dead one's is waited for no longer, a living one is fenced
    world.send(made.id)
    sent = [*file.read_text().split(), *(headers["webhook-id"] for _, headers, _ in world.receiver.got)]
    told = world.all(wanted=Selected(SPEC.types), limit=1000)
    world.events.webhooks.remove(LOCAL, made.id)
    engine.dispose()
    return list(_wrong([one for one in told if one.id not in earlier], list(dict.fromkeys(sent))))


def _wrong(told: Sequence[ToldEvent], sent: Sequence[str]) -> Iterator[str]:
    """What was lost, and what of a model came first when something before it had not come yet."""
    for name in ("fraud/churn", "fraud/other"):
        wanted = [one.id for one in told if one.subject.startswith(name)]
        came = [one for one in sent if one in set(wanted)]
        if came != wanted:
            yield f"{name}: {len(came)} of {len(wanted)} came, or not in order"

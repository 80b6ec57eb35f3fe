"""The door for what backends announce: deny by default, bounded, and cheap for who cannot prove anything."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import BoundedSemaphore

import pytest
from sqlalchemy import Engine, event, select

from adapters import Key, Notification, discover, signature
from federation import tables
from federation.access import EVERYTHING, NOTHING
from federation.database import now, reading
from federation.errors import WaypostError
from federation.hooks import hooks as door
from federation.hooks.hooks import Hooks, HooksBusyError, HooksFullError, UnprovedError
from federation.hooks.mentions import Mentioned, due
from federation.registries.configured import RegistrySpec
from federation.registries.connections import Connections
from tests.gateway.served import migrated

SECRET = "shared with the backend"


@pytest.fixture
def engine(database: str, tmp_path: Path) -> Iterator[Engine]:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    address = {"url": "http://127.0.0.1:9"}
    hooked = {**address, "webhook_secret": f"file:{secret}"}
    made = migrated(
        database,
        RegistrySpec(name="fraud", kind="mlflow", team="risk", config=hooked, former_names=["old"]),
        RegistrySpec(name="silent", kind="mlflow", team="risk", config=address),
        RegistrySpec(name="memory", kind="memory", team="risk"),
    )
    yield made
    made.dispose()


@pytest.fixture
def hooks(engine: Engine) -> Iterator[Hooks]:
    connections = Connections(discover())
    yield Hooks(engine, lambda: connections, lambda: None)
    connections.close()


def said(name: str = "scorer", *, secret: str = SECRET, age: int = 0, ident: str = "one") -> Notification:
    """What MLflow sends when a version was made."""
    data = {"name": name, "version": "3", "source": "s3://b/m"}
    body = json.dumps({"entity": "model_version", "action": "created", "data": data}).encode()
    at = str(int(time.time()) - age)
    headers = {
        "x-mlflow-delivery-id": ident,
        "x-mlflow-timestamp": at,
        "x-mlflow-signature": signature(secret.encode(), ident, at, body),
    }
    return Notification(headers, body)


def waiting(engine: Engine) -> list[Mentioned]:
    with reading(engine) as connection:
        ident = connection.execute(
            select(tables.registry.c.id).where(tables.registry.c.name == "fraud")
        ).scalar_one()
        return due(connection, ident, now(), 100)


def test_what_proves_itself_is_waited_for_once(hooks: Hooks, engine: Engine) -> None:
    assert [hooks.receive("fraud", said()), hooks.receive("old", said(ident="two"))] == [2, 2]
    found = waiting(engine)
    assert [(one.key, one.times) for one in found] == [
        (Key("model", "0/scorer"), 2),
        (Key("version", "3/0/0/scorer"), 2),
    ]
    [state] = hooks.list(EVERYTHING)
    assert (state.registry, state.taken, state.waiting) == ("fraud", 2, 2)
    assert hooks.list(NOTHING) == []


@pytest.mark.parametrize(
    ("registry", "sent"),
    [
        ("fraud", lambda: said(secret="a guess")),
        ("fraud", lambda: said(age=400)),
        ("fraud", lambda: said(age=-400)),
        ("fraud", lambda: Notification({}, b"{}")),
        ("silent", said),
        ("memory", said),
        ("nobody", said),
    ],
    ids=["forged", "old", "of tomorrow", "bare", "not configured", "no such kind", "unknown"],
)
def test_what_does_not_learns_nothing_and_costs_no_transaction(
    hooks: Hooks,
    engine: Engine,
    registry: str,
    sent: Callable[[], Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "LOOK_EVERY", 3600.0)
    hooks.receive("fraud", said())  # the registries are known
    begun: list[object] = []
    event.listen(engine, "begin", begun.append)
    texts = set()
    for _ in range(20):
        with pytest.raises(UnprovedError) as refused:
            hooks.receive(registry, sent())
        texts.add(str(refused.value))
    assert texts == {str(UnprovedError())}
    assert begun == []
    assert len(waiting(engine)) == 2


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"entity": "budget_policy", "data": {"name": "m"}}, 0),
        ({"entity": "registered_model", "data": {"name": "a/b"}}, 0),
        ({"entity": "registered_model", "data": {"name": "x" * 5000}}, 0),
        ({"entity": ["registered_model"], "data": []}, 0),
        ({"entity": "model_version", "data": {"name": "m", "version": "../1"}}, 1),
        ({"entity": "registered_model", "workspace": "another", "data": {"name": "m"}}, 0),
        ({"entity": "registered_model", "workspace": "default", "data": {"name": "m"}}, 1),
    ],
)
def test_what_a_backend_says_is_looked_at_twice(hooks: Hooks, body: dict[str, object], named: int) -> None:
    at, text = str(int(time.time())), json.dumps(body).encode()
    signed = signature(SECRET.encode(), "one", at, text)
    headers = {
        "x-mlflow-delivery-id": "one",
        "x-mlflow-timestamp": at,
        "x-mlflow-signature": f"v1,AAAA {signed}",
    }
    assert hooks.receive("fraud", Notification(headers, text)) == named


def test_what_is_no_object_is_a_mistake(hooks: Hooks) -> None:
    at = str(int(time.time()))
    headers = {"x-mlflow-delivery-id": "one", "x-mlflow-timestamp": at}
    headers["x-mlflow-signature"] = signature(SECRET.encode(), "one", at, b"[]")
    with pytest.raises(WaypostError, match="no JSON object"):
        hooks.receive("fraud", Notification(headers, b"[]"))


def test_a_flood_of_names_is_left_to_the_run(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_WAITING", 2)
    monkeypatch.setattr(door, "LOOK_EVERY", 0.0)
    hooks.receive("fraud", said())
    with pytest.raises(HooksFullError):
        hooks.receive("fraud", said("another"))


def test_too_many_at_once_are_asked_to_come_again(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_room", BoundedSemaphore(1))
    with hooks._room, pytest.raises(HooksBusyError):
        hooks.receive("fraud", said())
    assert hooks.receive("fraud", said()) == 2

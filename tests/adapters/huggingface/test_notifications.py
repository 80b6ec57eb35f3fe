"""What the Hub's webhooks say names records that `get` finds, and only who knows the secret is believed."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from adapters import AuthError, InvalidError, Key, NotFoundError, Notification, UnsupportedError
from adapters.emulators.huggingface.harness import SECRET, HuggingFaceHarness
from adapters.emulators.huggingface.hub import Hub, HubToken
from adapters.huggingface import HuggingFaceAdapter
from tests.adapters.scans import scanned

SHARED, FORMER = "shared with the Hub", "shared before"
ADDRESS = "https://waypost.example/hooks/hub"


class ToldHooks:
    """What the Hub's webhooks were called with."""

    def __init__(self, hub: Hub) -> None:
        self.payloads: list[Any] = []
        hub.webhooks["w"] = {
            "id": "w", "url": ADDRESS, "disabled": False, "domains": ["repo"], "secret": SHARED,
            "watched": [{"type": "org", "name": "acme"}],
        }  # fmt: skip
        hub.deliver = lambda webhook, payload: self.payloads.append(payload)

    def last(self, secret: str | None = SHARED) -> Notification:
        """The last one, as it would come."""
        headers = {} if secret is None else {"x-webhook-secret": secret}
        return Notification(headers, json.dumps(self.payloads[-1]).encode())


@pytest.fixture
def harness() -> Iterator[HuggingFaceHarness]:
    made = HuggingFaceHarness()
    made.hub.tokens[SECRET] = HubToken("robot", ("acme",))
    yield made
    made.close()


@pytest.fixture
def hub(harness: HuggingFaceHarness) -> Hub:
    return harness.hub


def opened(harness: HuggingFaceHarness, *authors: str, **more: Any) -> HuggingFaceAdapter:
    settings = {"authors": authors, "webhook_secret": SHARED, "former_webhook_secret": FORMER, **more}
    return HuggingFaceAdapter(harness.config(**settings))


def test_what_is_named_is_got(harness: HuggingFaceHarness, hub: Hub) -> None:
    adapter, told = opened(harness, "acme"), ToldHooks(hub)
    changes: list[Callable[[], object]] = [
        lambda: hub.create("acme/a"),
        lambda: hub.commit("acme/a", {"a": b"1"}),
        lambda: hub.point("acme/a", "tags", "v/1", "main"),
        lambda: hub.point("acme/a", "heads", "production", "v/1"),
        lambda: hub.set("acme/a", private=True),
        lambda: hub.move("acme/a", "acme/b"),
    ]
    for change in changes:
        before = {one.key: one for one in scanned(adapter).records}
        change()
        got = {(found := adapter.get(key)).key: found for key in adapter.changed(told.last())}
        after = {one.key: one for one in scanned(adapter).records}
        told_of = {key: one for key, one in after.items() if before.get(key) != one}
        if change is changes[-1]:  # tags get their new names with the next run
            told_of = {key: one for key, one in told_of.items() if "@v" not in key.native_id}
        assert all(got.get(key) == one for key, one in told_of.items())
        assert all(after.get(key) == one for key, one in got.items())


def test_what_was_deleted_is_named_by_its_whole_key(harness: HuggingFaceHarness, hub: Hub) -> None:
    adapter, told = opened(harness, "acme"), ToldHooks(hub)
    hub.create("acme/a")
    hub.point("acme/a", "tags", "v1", "main")
    known = {one.key for one in scanned(adapter).records}
    hub.point("acme/a", "tags", "v1", None)
    [*_, tag] = adapter.changed(told.last())
    hub.delete("acme/a")
    [model] = adapter.changed(told.last())
    assert {tag, model} < known
    for key in (tag, model):
        with pytest.raises(NotFoundError):
            adapter.get(key)


def test_only_who_knows_the_secret_is_believed(harness: HuggingFaceHarness, hub: Hub) -> None:
    adapter, told = opened(harness, "acme"), ToldHooks(hub)
    hub.create("acme/a")
    assert adapter.changed(told.last()) == adapter.changed(told.last(FORMER)) != ()
    with pytest.raises(ValidationError):
        opened(harness, "acme", webhook_secret="")
    for secret in (None, "", "shared", SHARED + "\udcff"):
        with pytest.raises(AuthError):
            adapter.changed(told.last(secret))
    with pytest.raises(UnsupportedError):
        opened(harness, "acme", webhook_secret=None).changed(told.last())


@pytest.mark.parametrize(
    "change",
    [
        {"event": {"action": "create", "scope": "discussion"}},
        {"repo": {"type": "dataset", "name": "acme/a", "id": "0" * 24}},
        {"repo": {"type": "model", "name": "beta/a", "id": "0" * 24}},
        {"repo": {"type": "model", "name": "acme/a", "id": "../../x"}},
        {"repo": 3},
    ],
)
def test_what_is_about_something_else_names_nothing(
    harness: HuggingFaceHarness, hub: Hub, change: dict[str, Any]
) -> None:
    adapter, told = opened(harness, "acme"), ToldHooks(hub)
    hub.create("acme/a")
    told.payloads.append({**told.payloads[-1], **change})
    assert adapter.changed(told.last()) == ()
    with pytest.raises(InvalidError):
        adapter.changed(Notification({"x-webhook-secret": SHARED}, b"[]"))


def test_a_webhook_is_made_once_and_brought_in_line(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.users.add("someone")
    adapter = opened(harness, "acme", "someone", repositories=("beta/a",))
    assert "3 watched names" in adapter.subscribe(ADDRESS)
    [webhook] = hub.webhooks.values()
    assert webhook["watched"] == [
        {"type": "org", "name": "acme"},
        {"type": "user", "name": "someone"},
        {"type": "model", "name": "beta/a"},
    ]
    assert (webhook["url"], webhook["domains"], webhook["secret"]) == (ADDRESS, ["repo"], SHARED)
    webhook |= {"disabled": True, "watched": []}
    adapter.subscribe(ADDRESS)
    assert [len(one["watched"]) for one in hub.webhooks.values()] == [3]
    assert not webhook["disabled"]


def test_who_may_not_is_told_what_to_make(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.tokens[SECRET] = HubToken("robot", role="fineGrained", scoped={"acme": ("repo.content.read",)})
    with pytest.raises(AuthError, match=r"user\.webhooks\.write.*settings/webhooks.*hooks/hub") as told:
        opened(harness, "acme").subscribe(ADDRESS)
    assert SHARED not in str(told.value)
    hub.tokens[SECRET] = HubToken(
        "robot", role="fineGrained", scoped={"robot": ("user.webhooks.read", "user.webhooks.write")}
    )
    opened(harness, "acme").subscribe(ADDRESS)
    for settings in ({"webhook_secret": None}, {}):
        with pytest.raises(UnsupportedError):
            opened(harness, **settings).subscribe(ADDRESS)


def test_a_tag_is_read_whatever_it_names_now(harness: HuggingFaceHarness, hub: Hub) -> None:
    made = hub.create("acme/a")
    hub.point("acme/a", "tags", "v1", "main")
    adapter = opened(harness, "acme")
    found = adapter.get(Key("version", f"{made.id}/acme/a@v1#-"))
    assert found.key.native_id.endswith(hub.repository("acme/a").git.tags["v1"])

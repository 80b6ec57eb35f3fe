"""Writing to a Hub: branches as aliases, tags and repositories deleted, and what a token may not do."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters import AdapterError, AuthError, Capability, ConflictError, InvalidError, ModelRecord
from adapters.emulators.huggingface.harness import SECRET, HuggingFaceHarness
from adapters.emulators.huggingface.hub import Hub, HubToken
from adapters.huggingface import HuggingFaceAdapter
from tests.adapters.scans import scanned

WRITES = frozenset({Capability.SET_ALIAS, Capability.DELETE})


@pytest.fixture
def harness() -> Iterator[HuggingFaceHarness]:
    made = HuggingFaceHarness()
    made.hub.tokens[SECRET] = HubToken("robot", ("acme",))
    made.hub.create("acme/a")
    made.hub.point("acme/a", "tags", "v1", "main")
    made.hub.commit("acme/a", {"a": b"1"})
    yield made
    made.close()


@pytest.fixture
def hub(harness: HuggingFaceHarness) -> Hub:
    return harness.hub


def opened(harness: HuggingFaceHarness, **more: Any) -> tuple[HuggingFaceAdapter, ModelRecord]:
    """An adapter and the only model."""
    adapter = HuggingFaceAdapter(harness.config(authors=("acme",), **more))
    [model] = scanned(adapter).models().values()
    return adapter, model


def test_an_alias_is_a_branch(harness: HuggingFaceHarness, hub: Hub) -> None:
    adapter, model = opened(harness)
    for version in ("v1", "main", "v1"):
        assert adapter.set_alias(model.key, "production", version).aliases == {"production": version}
    git = hub.repository("acme/a").git
    assert git.branches["production"] == git.tags["v1"]
    assert adapter.set_alias(model.key, "production", None).aliases == {}


def test_a_branch_with_commits_of_its_own_is_left_alone(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.point("acme/a", "heads", "dev", "main")
    commit = hub.commit("acme/a", {"b": b"1"}, "dev")
    adapter, model = opened(harness)
    with pytest.raises(ConflictError, match="commits that no version names"):
        adapter.set_alias(model.key, "dev", "v1")
    for name in ("main", "v1"):
        with pytest.raises(InvalidError, match="choose another alias"):
            adapter.set_alias(model.key, name, "v1")
    assert hub.repository("acme/a").git.branches["dev"] == commit.id


def test_an_alias_that_cannot_be_made_again_is_where_it_was(
    harness: HuggingFaceHarness, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, model = opened(harness)
    adapter.set_alias(model.key, "production", "v1")
    head = hub.repository("acme/a").git.branches["main"]
    real = Hub.point

    def fails_once(self: Hub, name: str, kind: str, ref: str, revision: str | None) -> None:
        if revision == head:
            raise OverflowError("the disk is full")
        real(self, name, kind, ref, revision)

    monkeypatch.setattr(Hub, "point", fails_once)
    with pytest.raises(AdapterError):
        adapter.set_alias(model.key, "production", "main")
    found = adapter.get(model.key)
    assert isinstance(found, ModelRecord)
    assert found.aliases == {"production": "v1"}


def test_the_main_branch_goes_with_its_repository(harness: HuggingFaceHarness, hub: Hub) -> None:
    adapter, model = opened(harness)
    versions = scanned(adapter).versions(model.key)
    with pytest.raises(InvalidError, match="delete acme/a as a whole"):
        adapter.delete(versions["main"].key)
    adapter.delete(versions["v1"].key)
    assert hub.repository("acme/a").git.tags == {}
    adapter.delete(model.key)
    assert hub.named("acme/a") is None


@pytest.mark.parametrize(
    ("token", "missing", "unavailable"),
    [
        (None, ["no token"], WRITES),
        (HubToken("robot", ("acme",), role="read"), ["may only read"], WRITES),
        (HubToken("robot", ("acme",)), [], frozenset()),
        (
            HubToken("robot", role="fineGrained", scoped={"acme": ("repo.content.read",)}),
            ["lacks repo.write for acme", "gated"],
            WRITES,
        ),
        (
            HubToken("robot", role="fineGrained", scoped={"acme": ("repo.write",)}, can_read_gated=True),
            [],
            frozenset(),
        ),
        (
            HubToken("robot", role="fineGrained", scoped={"beta": ("repo.write",)}, can_read_gated=True),
            ["lacks repo.content.read for acme", "lacks repo.write for acme"],
            frozenset(),
        ),
    ],
    ids=["none", "read", "write", "fine, reads", "fine, writes", "fine, elsewhere"],
)
def test_rights_that_are_missing_are_named(
    harness: HuggingFaceHarness, hub: Hub, token: HubToken | None, missing: list[str], unavailable: Any
) -> None:
    more = {} if token else {"token": None}
    if token:
        hub.tokens[SECRET] = token
    info = HuggingFaceAdapter(harness.config(authors=("acme",), **more)).probe()
    assert info.unavailable == unavailable
    assert len(info.missing) == len(missing)
    for said, expected in zip(info.missing, missing, strict=True):
        assert expected in said


def test_an_author_without_models_is_named(harness: HuggingFaceHarness, hub: Hub) -> None:
    info = HuggingFaceAdapter(harness.config(authors=("acme", "acne"))).probe()
    assert info.missing == ("acne shows no model: check its name, and what the token may read",)
    with pytest.raises(AuthError):
        HuggingFaceAdapter(harness.config(authors=("acme",), token="hf_expired")).probe()

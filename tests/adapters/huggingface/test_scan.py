"""What scans of a Hub ask for and what they notice: few requests, renames, hidden repositories, the window."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from adapters import (
    AdapterError,
    AuthError,
    BadRecordError,
    Key,
    ModelRecord,
    NotFoundError,
    TransientError,
    VersionRecord,
)
from adapters.emulators.huggingface.harness import SECRET, HuggingFaceHarness
from adapters.emulators.huggingface.hub import Hub, HubToken
from adapters.huggingface import HuggingFaceAdapter
from adapters.huggingface.client import HubClient
from adapters.quota import AnnouncedQuota
from tests.adapters.scans import scanned

MANY = 1000


@pytest.fixture
def harness() -> Iterator[HuggingFaceHarness]:
    made = HuggingFaceHarness()
    made.hub.tokens[SECRET] = HubToken("robot", ("acme", "beta"))
    yield made
    made.close()


@pytest.fixture
def hub(harness: HuggingFaceHarness) -> Hub:
    return harness.hub


def opened(harness: HuggingFaceHarness, *authors: str, **more: Any) -> HuggingFaceAdapter:
    return HuggingFaceAdapter(harness.config(authors=authors, **more))


def names(records: list[Any]) -> set[str]:
    """Models by name, versions with their model's."""
    models = {one.key: one.name for one in records if isinstance(one, ModelRecord)}
    return {
        one.name if isinstance(one, ModelRecord) else f"{models[one.model]}:{one.version}" for one in records
    }


def asked(hub: Hub, adapter: HuggingFaceAdapter, since: str | None) -> tuple[int, set[str], str]:
    """Requests of one scan, what it gives, and its watermark."""
    before = hub.requests
    found = scanned(adapter, since)
    return hub.requests - before, names(found.records), found.watermark


def test_a_thousand_repositories_of_which_none_changed_take_two_requests(
    harness: HuggingFaceHarness, hub: Hub
) -> None:
    for number in range(MANY):
        hub.create(f"acme/m{number}")
    adapter = opened(harness, "acme")
    first, everything, mark = asked(hub, adapter, None)
    assert (first, len(everything)) == (MANY + 2, 2 * MANY)
    assert asked(hub, adapter, mark) == (2, set(), mark)
    hub.commit("acme/m7", {"a": b"1"})
    hub.point("acme/m7", "tags", "v1", "main")
    requests, changed, _ = asked(hub, opened(harness, "acme"), mark)
    assert {"acme/m7", "acme/m7:main", "acme/m7:v1"} <= changed
    assert requests == 2 + len({name.partition(":")[0] for name in changed}) < 12


def test_the_clock_of_the_hub_is_not_turned_back_by_an_answer_that_comes_while_it_is_read(
    harness: HuggingFaceHarness, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row would be taken for younger than it is, and its bucket be read again by the next scan."""
    api, at = HubClient(harness.config()), [100.0]
    hub.clock = lambda: at[0]

    def read() -> float:
        return at[0]

    def read_while_another_thread_asks() -> float:
        before, at[0], clock.time = at[0], at[0] + 0.9, read  # the header Date has whole seconds
        api.refs("acme/a")
        return before

    clock = SimpleNamespace(time=read, monotonic=time.monotonic)
    monkeypatch.setattr("adapters.huggingface.client.time", clock)
    hub.create("acme/a")
    api.refs("acme/a")
    clock.time = read_while_another_thread_asks
    assert api.now() == 100.0


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda hub: hub.set("acme/a", gated="manual"), {"gated": "manual"}),
        (lambda hub: hub.set("acme/a", private=True), {"private": "true"}),
        (lambda hub: hub.set("acme/a", disabled=True), {"disabled": "true"}),
    ],
    ids=["gated", "private", "disabled"],
)
def test_what_changes_without_a_commit_is_seen_at_once(
    harness: HuggingFaceHarness, hub: Hub, change: Any, seen: dict[str, str]
) -> None:
    hub.create("acme/a")
    adapter = opened(harness, "acme")
    mark = scanned(adapter).watermark
    change(hub)
    [model] = scanned(adapter, mark).models().values()
    assert {name: model.tags.get(name) for name in seen} == seen


def test_a_renamed_repository_is_the_same(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/old")
    hub.point("acme/old", "tags", "v1", "main")
    adapter = opened(harness, "acme")
    before = scanned(adapter)
    hub.move("acme/old", "acme/new")
    after = scanned(adapter, before.watermark)
    assert names(after.records) == {"acme/new", "acme/new:main", "acme/new:v1"}
    former = {one.key for one in before.records}
    for record in after.records:
        [old] = [key for key in former if adapter.succeeds(record.key, key)]
        with pytest.raises(NotFoundError, match="is called acme/new now"):
            adapter.get(old)
        assert adapter.get(record.key) == record


def test_a_named_repository_is_known_by_each_name_that_it_gets(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/one")
    hub.create("beta/other")
    adapter = HuggingFaceAdapter(harness.config(repositories=["acme/one"]))
    [foreign] = scanned(opened(harness, "beta")).models().values()
    with pytest.raises(NotFoundError, match="does not belong to this registry"):
        adapter.get(foreign.key)
    for former, name in (("acme/one", "acme/two"), ("acme/two", "beta/three")):
        hub.move(former, name)
        [now] = scanned(adapter).models().values()
        assert adapter.get(now.key) == now and now.name == name


def test_a_repository_that_is_renamed_while_it_is_read_is_read_under_its_new_name(
    harness: HuggingFaceHarness, hub: Hub
) -> None:
    hub.create("acme/old")

    def renamed() -> None:
        if hub.named("acme/old"):
            hub.move("acme/old", "acme/new")

    hub.listed = renamed
    assert names(scanned(opened(harness, "acme")).records) == {"acme/new", "acme/new:main"}
    hub.point("acme/new", "tags", "v1", "main")
    hub.commit("acme/new", {"a": b"1"})
    adapter = opened(harness, "acme")
    read, hub.listed = adapter._api.refs, lambda: None

    def then_renamed(name: str) -> Any:
        found = read(name)
        if name == "acme/new":
            hub.move("acme/new", "acme/newer")
        return found

    adapter._api.refs = then_renamed  # type: ignore[method-assign]
    assert names(scanned(adapter).records) == {"acme/newer", "acme/newer:main", "acme/newer:v1"}


def test_a_listed_repository_keeps_its_place_under_another_name(
    harness: HuggingFaceHarness, hub: Hub
) -> None:
    hub.create("beta/old")
    adapter = opened(harness, repositories=("beta/old",))
    hub.move("beta/old", "other/new")
    hub.tokens[SECRET] = HubToken("robot", ("other",))
    [model, _] = scanned(adapter).records
    assert isinstance(model, ModelRecord)
    assert model.name == "other/new"
    assert adapter.get(model.key) == model


def test_organisations_and_lists_are_read_together(harness: HuggingFaceHarness, hub: Hub) -> None:
    for name in ("acme/a", "acme/b", "beta/c", "beta/d", "plain"):
        hub.create(name)
    adapter = opened(harness, "acme", repositories=("beta/c", "plain", "acme/a", "beta/gone"))
    found = scanned(adapter)
    assert set(found.models()) == {"acme/a", "acme/b", "beta/c", "plain"}
    hub.point("beta/d", "tags", "v1", "main")
    stranger = Key("model", f"{hub.repository('beta/d').id}/beta/d")
    with pytest.raises(NotFoundError, match="does not belong to this registry"):
        adapter.get(stranger)


@pytest.mark.parametrize("token", [None, "hf_expired"])
def test_a_401_is_never_absence(harness: HuggingFaceHarness, hub: Hub, token: str | None) -> None:
    hub.create("acme/a")
    known = scanned(opened(harness, "acme")).records
    hub.set("acme/a", private=True)
    for gone in (False, True):
        if gone:
            hub.delete("acme/a")
        for record in known:
            with pytest.raises(AuthError):
                opened(harness, "acme", token=token).get(record.key)


def test_a_deletion_is_proved_by_a_token_that_is_good(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/a")
    adapter = opened(harness, "acme")
    known = scanned(adapter).records
    hub.delete("acme/a")
    hub.create("acme/a")
    for record in known:
        with pytest.raises(NotFoundError, match="another one has its name"):
            adapter.get(record.key)
    hub.delete("acme/a")
    for record in known:
        with pytest.raises(NotFoundError):
            adapter.get(record.key)


def test_refs_that_are_refused_are_unknown_and_hide_nothing_else(
    harness: HuggingFaceHarness, hub: Hub
) -> None:
    for name in ("acme/a", "acme/b"):
        hub.create(name)
        hub.point(name, "tags", "v1", "main")
    adapter = opened(harness, "acme")
    tag = scanned(adapter).versions(Key("model", f"{hub.repository('acme/a').id}/acme/a"))["v1"]
    hub.refs_refused.add("acme/a")
    for since in (None, scanned(adapter).watermark):
        hub.commit("acme/a", {"a": b"1" if since is None else b"2"})
        found = scanned(adapter, since)
        model = found.models()["acme/a"]
        assert model.unread is not None
        assert "aliases" in model.unread.fields
        assert not [one for one in found.listed if one.of == model.key]
        assert adapter.get(model.key) == model
    with pytest.raises(AuthError):
        adapter.get(tag.key)


def test_many_repositories_may_refuse_their_refs(harness: HuggingFaceHarness, hub: Hub) -> None:
    for number in range(40):
        hub.create(f"acme/m{number}")
        hub.refs_refused.add(f"acme/m{number}")
    found = scanned(opened(harness, "acme"))
    assert len(found.models()) == len([one for one in found.models().values() if one.unread]) == 40


def test_one_thing_that_breaks_hides_no_other(
    harness: HuggingFaceHarness, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("acme/a", "acme/b"):
        hub.create(name)
        hub.point(name, "tags", "v1", "main")
        hub.commit(name, {"a": b"1"})
        hub.point(name, "tags", "v2", "main")
    adapter = opened(harness, "acme")
    monkeypatch.setattr(adapter._api.http, "_sleep", lambda seconds: None)
    whole = scanned(adapter)
    broken = hub.repository("acme/a")
    hub.broken = {"/api/models/acme/b/refs", f"/api/models/acme/a/revision/{broken.git.tags['v1']}"}
    adapter = opened(harness, "acme")
    monkeypatch.setattr(adapter._api.http, "_sleep", lambda seconds: None)
    found = scanned(adapter)
    assert names(found.records) == names(whole.records) - {"acme/a:v1", "acme/b:v1", "acme/b:v2"}
    assert [one.native for one in found.bad] == ["acme/a@v1"]
    assert "answered 500" in str(found.bad[0])
    for record in whole.records:
        if record not in found.records:
            with pytest.raises(TransientError):
                adapter.get(record.key)
    hub.broken = set()
    healed = names(scanned(adapter, found.watermark).records)
    assert healed >= {"acme/a:v1", "acme/b:v1", "acme/b:v2"}


def test_a_hub_that_breaks_is_not_asked_on_and_on(
    harness: HuggingFaceHarness, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        hub.create(f"acme/m{number}")
    hub.broken = {f"/api/models/acme/m{number}/refs" for number in range(40)}
    adapter = opened(harness, "acme")
    monkeypatch.setattr(adapter._api.http, "_sleep", lambda seconds: None)
    with pytest.raises(TransientError):
        scanned(adapter)


def test_less_is_asked_for_where_a_page_is_too_much(harness: HuggingFaceHarness, hub: Hub) -> None:
    card = f"---\ntext: {'x' * 30_000}\n---\n".encode()
    for number in range(60):
        hub.create(f"acme/m{number}")
        hub.commit(f"acme/m{number}", {"README.md": card})
    assert len(scanned(opened(harness, "acme", max_response_mb=1)).models()) == 60


def test_the_case_of_a_name_does_not_matter(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/A")
    [model, _] = scanned(opened(harness, "acme")).records
    assert opened(harness, "Acme").get(model.key) == model


def test_a_row_that_says_nothing_is_one_bad_record(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/a")
    bad = hub.create("acme/b")
    hub.repositories["not an id"] = bad
    bad.id = "not an id"
    found = scanned(opened(harness, "acme"))
    assert set(found.models()) == {"acme/a"}
    assert [one.native for one in found.bad] == ["acme/b", "acme/b"]


def test_a_tag_that_comes_after_its_commit_is_seen(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/a")
    adapter = opened(harness, "acme", settle=900)
    mark = scanned(adapter).watermark
    hub.point("acme/a", "tags", "v1", "main")
    with harness.skew(890):
        found = scanned(adapter, mark)
    assert "acme/a:v1" in names(found.records)
    with harness.skew(910):
        assert asked(hub, adapter, found.watermark)[:2] == (2, {"acme/a", "acme/a:main", "acme/a:v1"})
        hub.point("acme/a", "tags", "v2", "main")
        mark = scanned(adapter, found.watermark).watermark
        assert asked(hub, adapter, mark)[:2] == (1, set())


def test_what_a_tag_names_is_read_once(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/a")
    for number in range(3):
        hub.commit("acme/a", {"README.md": f"---\nlicense: l{number}\n---\n".encode()})
        hub.point("acme/a", "tags", f"v{number}", "main")
    adapter = opened(harness, "acme")
    requests, _, mark = asked(hub, adapter, None)
    assert requests == 2 + 2 * 2, "page, refs, and card and date of each tag that is not at the head"
    hub.commit("acme/a", {"README.md": b"---\nlicense: l3\n---\n"})
    found = scanned(adapter, mark)
    [model] = found.models().values()
    licenses = {name: one.license for name, one in found.versions(model.key).items()}
    assert licenses == {"main": "l3", "v0": "l0", "v1": "l1", "v2": "l2"}
    assert asked(hub, adapter, None)[0] == 2


def test_the_window_of_requests_is_the_servers(harness: HuggingFaceHarness, hub: Hub) -> None:
    for number in range(6):
        hub.create(f"acme/m{number}")
    hub.quota = 4
    adapter = opened(harness, "acme", quota_share=1)
    adapter._api.quota.wait = lambda stopping: None  # type: ignore[method-assign]
    with pytest.raises(TransientError) as told:
        scanned(adapter)
    assert told.value.retry_after is not None
    assert 0 < told.value.retry_after <= 300


def test_a_share_of_the_window_is_left_to_others() -> None:
    now = 1000.0
    quota = AnnouncedQuota(0.8, lambda: now)
    assert quota.seconds() == 0, "nothing is known yet"
    quota.note({"ratelimit": '"api";r=102;t=55', "ratelimit-policy": '"fixed window";"api";q=500;w=300'})
    assert [quota.seconds() for _ in range(3)] == [0, 0, 55]
    now += 54.5
    assert quota.seconds() == 0.5
    now += 0.5
    assert quota.seconds() == 0, "the window is over"
    quota.note({"ratelimit": "limit=100, remaining=0, reset=55"})
    assert quota.seconds() == 0, "another form says nothing"


def test_a_scan_waits_for_the_next_window(harness: HuggingFaceHarness, hub: Hub) -> None:
    for number in range(5):
        hub.create(f"acme/m{number}")
    waits: list[float] = []
    adapter = opened(harness, "acme", concurrency=1)
    real, hub.quota = adapter._api.quota.seconds, 4

    def next_window() -> float:
        """A look at the clock that, where it would wait, lets the window end."""
        if left := real():
            waits.append(left)
            hub.window = adapter._api.quota._ends = 0.0
            return 0.001
        return 0.0

    adapter._api.quota.seconds = next_window  # type: ignore[method-assign]
    assert len(scanned(adapter).models()) == 5
    assert waits


def test_a_tag_that_was_moved_is_another_version(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/a")
    hub.point("acme/a", "tags", "v1", "main")
    adapter = opened(harness, "acme")
    [old] = [
        one for one in scanned(adapter).records if isinstance(one, VersionRecord) and one.version == "v1"
    ]
    hub.commit("acme/a", {"a": b"1"})
    hub.point("acme/a", "tags", "v1", "main")
    [new] = [
        one for one in scanned(adapter).records if isinstance(one, VersionRecord) and one.version == "v1"
    ]
    assert old.key != new.key
    with pytest.raises(NotFoundError):
        adapter.get(old.key)


def test_a_tag_called_main_is_a_bad_record(harness: HuggingFaceHarness, hub: Hub) -> None:
    hub.create("acme/a")
    hub.point("acme/a", "tags", "main", "main")
    found = scanned(opened(harness, "acme"))
    assert names(found.records) == {"acme/a", "acme/a:main"}
    assert [one.native for one in found.bad] == ["acme/a@main"]


def test_what_no_key_can_hold_is_a_bad_record(harness: HuggingFaceHarness, hub: Hub) -> None:
    for name in ("acme/a", "acme/b"):
        hub.create(name)
    hub.repository("acme/a").name = "acme/.."
    hub.repository("acme/b").git.tags |= {
        "t" * 1001: hub.repository("acme/b").git.branches["main"],
        "v#1@x": "f" * 64,
    }
    hub.point("acme/b", "tags", "v#2@x:y", "main")
    adapter = opened(harness, "acme")
    found = scanned(adapter)
    assert names(found.records) == {"acme/b", "acme/b:main", "acme/b:v#2@x:y"}
    assert len(found.bad) == 3
    for record in found.records:
        assert adapter.get(record.key) == record


@pytest.mark.parametrize("link", ["https://elsewhere.example/api/models?cursor=x", "http://[", "/"])
def test_pages_never_lead_elsewhere(harness: HuggingFaceHarness, hub: Hub, link: str) -> None:
    for name in ("acme/a", "acme/b", "acme/c"):
        hub.create(name)
    hub.page, hub.link = 1, link
    with pytest.raises((AdapterError, BadRecordError)):
        scanned(opened(harness, "acme"))

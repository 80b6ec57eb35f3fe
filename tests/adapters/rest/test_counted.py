"""Where a counted listing ends, and how what changed is asked for: as the service has it, not as we would."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from pydantic import ValidationError

from adapters import InvalidError, Key, ModelRecord, NotFoundError, TransientError, VersionRecord
from adapters.rest import RestAdapter, RestConfig
from adapters.rest.expressions import Expression, MappingError
from tests.adapters.scans import scanned
from tests.adapters.web import answering

URL = "https://models.example/api"
MODELS: dict[str, Any] = {"path": "/models", "one": "/models/{id}", "fields": {"name": "name"}}
VERSIONS: dict[str, Any] = {
    "path": "/versions", "one": "/versions/{id}", "model": "model", "fields": {"version": "text(id)"},
}  # fmt: skip


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.MockRouter]:
    with answering(monkeypatch) as router:
        router.get(f"{URL}/versions", name="versions").mock(httpx.Response(200, json=[]))
        router.get(f"{URL}/models", name="models").mock(httpx.Response(200, json=[]))
        yield router


def adapter(**settings: Any) -> RestAdapter:
    known = {"url": URL, "models": MODELS, "versions": VERSIONS}
    return RestAdapter(RestConfig.model_validate({**known, **settings}))


class Counted:
    """A listing of numbered pages or offsets. Behind its end it answers `past`; it gives at most `cap` at once."""

    def __init__(self, rows: int, *, cap: int = 1000, past: int | None = None) -> None:
        self.rows = [{"id": f"m{number}", "name": f"model-{number}"} for number in range(rows)]
        self.cap, self.past = cap, past
        self.asked: list[tuple[int, int]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        size = min(int(query["size"]), self.cap)
        start = (int(query["page"]) - 1) * size if "page" in query else int(query.get("start", 0))
        self.asked.append((start, int(query["size"])))
        if start >= len(self.rows) and start and self.past:
            return httpx.Response(self.past, json={"detail": "there is no such page"})
        return httpx.Response(200, json={"items": self.rows[start : start + size], "total": len(self.rows)})


STYLES = {
    "page": {"style": "page", "param": "page", "size": "size"},
    "offset": {"style": "offset", "param": "start", "size": "size"},
}


def listed(web: respx.MockRouter, answer: Counted, style: str, limit: int = 100, **page: Any) -> list[str]:
    web["models"].mock(side_effect=answer)
    models = {**MODELS, "items": "items", "page": {**STYLES[style], **page}}
    return [
        one.name
        for one in scanned(adapter(models=models), None, limit).records
        if isinstance(one, ModelRecord)
    ]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("rows", [0, 1, 3, 4, 8])
@pytest.mark.parametrize(
    "page", [{"total": "total"}, {"end_status": 404}, {"total": "total", "end_status": 404}]
)
def test_a_last_page_may_be_full(web: respx.MockRouter, style: str, rows: int, page: dict[str, Any]) -> None:
    answer = Counted(rows, past=404)
    assert listed(web, answer, style, size_value=4, **page) == [f"model-{n}" for n in range(rows)]
    if "total" in page:
        assert all(start < max(1, rows) for start, _ in answer.asked), "no page is asked for in vain"


@pytest.mark.parametrize(("status", "says"), [(404, None), (400, "answered 400")])
def test_pages_of_a_fixed_size_end_by_their_status(
    web: respx.MockRouter, status: int, says: str | None
) -> None:
    web["models"].mock(side_effect=Counted(8, past=status))
    page = {"style": "page", "param": "page", "size_value": 4, "end_status": 404}
    opened = adapter(models={**MODELS, "items": "items", "page": page, "query": {"size": "4"}})
    if says is None:
        assert len(scanned(opened).records) == 8
    else:
        with pytest.raises(InvalidError, match=says):
            scanned(opened)


@pytest.mark.parametrize("style", STYLES)
def test_most_of_a_page_is_new(web: respx.MockRouter, style: str) -> None:
    answer = Counted(1000)
    assert len(listed(web, answer, style, size_value=100)) == 1000
    assert len(answer.asked) <= 13


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [5, 8, 20])
@pytest.mark.parametrize("deleted", [1, 2])
def test_a_delete_between_pages_hides_nothing(
    web: respx.MockRouter, style: str, size: int, deleted: int
) -> None:
    answer = Counted(60)

    def deleting(request: httpx.Request) -> httpx.Response:
        if len(answer.asked) in (1, 4):
            del answer.rows[:deleted]
        return answer(request)

    web["models"].mock(side_effect=deleting)
    page = {**STYLES[style], "size_value": size, "total": "total"}
    opened = adapter(models={**MODELS, "items": "items", "page": page})
    names = [one.name for one in scanned(opened, None, 100).records if isinstance(one, ModelRecord)]
    assert set(names) == {f"model-{n}" for n in range(60)}


def test_a_status_on_the_first_page_is_no_end(web: respx.MockRouter) -> None:
    web["models"].mock(httpx.Response(404, json={"detail": "no such list"}))
    page = {**STYLES["page"], "end_status": 404}
    with pytest.raises(NotFoundError, match="answered 404"):
        scanned(adapter(models={**MODELS, "page": page}))


@pytest.mark.parametrize("limit", [7, 100])
def test_a_service_that_gives_fewer_than_asked_for_hides_nothing(web: respx.MockRouter, limit: int) -> None:
    given = listed(web, Counted(30, cap=5), "page", limit, size_value=20, total="total")
    assert given == [f"model-{n}" for n in range(30)]


def test_a_wrong_page_size_is_said(web: respx.MockRouter) -> None:
    web["models"].mock(httpx.Response(200, json={"items": [{"id": "m1", "name": "a"}], "total": 30}))
    page = {"style": "page", "param": "page", "size_value": 20, "total": "total"}
    with pytest.raises(
        TransientError, match=r"1 records of 20 on a page, 30 in all: make `page.size_value` smaller"
    ):
        scanned(adapter(models={**MODELS, "items": "items", "page": page}))


def test_a_total_that_is_no_number_is_said(web: respx.MockRouter) -> None:
    with pytest.raises(InvalidError, match=r"`page.total` \(pages\) finds NoneType"):
        listed(web, Counted(3), "page", total="pages")


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ({"style": "cursor", "param": "c", "next": "n", "total": "total"}, "only style"),
        ({"style": "single", "end_status": 404}, "only style"),
        ({"style": "page", "param": "p", "end_status": 500}, "less than or equal to 499"),
    ],
)
def test_an_end_that_means_nothing_is_refused(page: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        adapter(models={**MODELS, "page": page})


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ({"format": "%Y-%m-%d %H:%M:%S", "text": "gt:{time}"}, r"gt:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
        (
            {"format": "epoch_ms", "text": "lastUpdateTimeSinceEpoch > {time}"},
            r"lastUpdateTimeSinceEpoch > \d{13}",
        ),
    ],
)
def test_text_stands_around_the_time(web: respx.MockRouter, since: dict[str, str], shown: str) -> None:
    headers = {"Date": "Sun, 29 Nov 2026 12:00:00 GMT"}
    web["models"].mock(httpx.Response(200, json=[], headers=headers))
    opened = adapter(models={**MODELS, "since": {"param": "changed", **since}})
    scanned(opened, scanned(opened).watermark)
    asked = web["models"].calls.last.request.url.params["changed"]
    assert re.fullmatch(shown, asked), asked


@pytest.mark.parametrize("since", [{"format": "soon"}, {"text": "gt:"}, {"text": "{time}{zone}"}])
def test_a_time_that_nobody_could_write_is_refused(since: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"since\.(format|text)"):
        adapter(models={**MODELS, "since": {"param": "changed", **since}})


def test_deletes_are_quiet_where_only_changes_are_listed() -> None:
    since = {"param": "changed"}
    assert adapter().full_scan_only == frozenset()
    assert adapter(versions={**VERSIONS, "since": since}, quiet=["aliases"]).full_scan_only == {
        "aliases",
        "deleted",
    }
    with pytest.raises(ValidationError, match="no such field: colour"):
        adapter(quiet=["colour"])


@pytest.mark.parametrize(
    ("expression", "given", "found"),
    [
        ("entries(x)", {"a": 1}, [{"key": "a", "value": 1}]),
        ("pairs(entries(x)[].{k: key, v: value.string_value}, 'k', 'v')", {"a": {"string_value": "b"}}, {"a": "b"}),
        (
            "plain(x)",
            {"a": {"metadataType": "MetadataIntValue", "int_value": "3"}, "b": {"stringValue": "s"}, "c": 1, "d": [1],
             "e": {"x": 1}, "f": None, "g": {"value": True}},
            {"a": "3", "b": "s", "c": 1, "g": True},
        ),
        ("labels(x)", ["a=b=c", "d", "=e"], {"a": "b=c", "d": "", "=e": ""}),
        ("number(x)", "1.5", 1.5),
        *((f"{name}(x)", None, None) for name in ("entries", "plain", "labels", "number")),
    ],
)  # fmt: skip
def test_functions(expression: str, given: Any, found: Any) -> None:
    assert Expression(expression).of({"x": given}) == found


def test_a_text_that_is_no_number_is_said() -> None:
    with pytest.raises(MappingError, match="'soon' is no number"):
        Expression("number(x)").of({"x": "soon"})


def test_tags_are_sent_as_labels(web: respx.MockRouter) -> None:
    raw = {"id": "m1", "name": "a", "labels": ["env=dev", "old", "kept"]}
    web.get(f"{URL}/models/m1").mock(httpx.Response(200, json=raw))
    sent = web.put(f"{URL}/models/m1").mock(httpx.Response(200, json={}))
    body = {"add": "{added_labels}", "remove": "{removed_labels}"}
    opened = adapter(
        models={**MODELS, "fields": {"name": "name", "tags": "labels(labels)"}},
        writes={"set_model_tags": {"method": "PUT", "path": "/models/{id}", "body": body}},
    )
    key = Key("model", "m1")
    opened.set_tags(key, {"env": "prod", "old": None, "kept": "", "new": ""})
    assert sent.calls.last.request.content == b'{"add":["env=prod","new"],"remove":["env=dev","old"]}'
    with pytest.raises(InvalidError, match="cannot be the name of a label"):
        opened.set_tags(key, {"a=b": "c"})
    assert sent.call_count == 1


def test_a_value_that_is_not_among_those_of_a_write_is_not_sent(web: respx.MockRouter) -> None:
    raw = {"id": "v1", "model": "m1", "stage": "none"}
    web.get(f"{URL}/versions/v1").mock(httpx.Response(200, json=raw))
    write = {"path": "/versions/{id}", "body": "{value}", "values": ["live"]}
    opened = adapter(
        versions={**VERSIONS, "fields": {"version": "id", "stage": "stage"}}, writes={"set_stage": write}
    )
    with pytest.raises(InvalidError, match="set_stage takes live, not 'old'"):
        opened.set_stage(Key("version", "m1/v1"), "stage", "old")


RELATED = {
    "path": "/runs", "param": "of", "text": "oneof:{json}", "version": "version", "items": "items",
    "page": {**STYLES["offset"], "size_value": 2, "total": "total"},
}  # fmt: skip


def related(web: respx.MockRouter) -> RestAdapter:
    rows = [{"id": f"v{n}", "model": "m1"} for n in range(3)]
    web["versions"].mock(httpx.Response(200, json=rows))
    web.get(f"{URL}/versions/v1").mock(httpx.Response(200, json=rows[1]))
    fields = {"version": "id", "run_id": "_related.runs[0].id", "metrics": "_related.runs[0].m"}
    return adapter(versions={**VERSIONS, "fields": fields, "related": {"runs": RELATED}})


def test_what_stands_in_another_listing_belongs_to_its_version(web: respx.MockRouter) -> None:
    runs = [{"id": f"r{n}", "version": f"v{n % 2}", "m": {"auc": n}} for n in range(5)]

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        asked = str(query["of"])
        assert asked in ('oneof:["v0", "v1", "v2"]', 'oneof:["v1"]')
        found = [run for run in runs if f'"{run["version"]}"' in asked]
        start = int(query.get("start", 0))
        return httpx.Response(200, json={"items": found[start : start + 2], "total": len(found)})

    web.get(f"{URL}/runs").mock(side_effect=answer)
    opened = related(web)
    found = {one.version: one for one in scanned(opened).records if isinstance(one, VersionRecord)}
    assert {name: one.lineage.run_id for name, one in found.items()} == {"v0": "r0", "v1": "r1", "v2": None}
    assert found["v1"].metrics == {"auc": 1.0}
    assert opened.get(Key("version", "m1/v1")) == found["v1"]


def test_what_may_not_be_read_of_it_is_unknown(web: respx.MockRouter) -> None:
    web.get(f"{URL}/runs").mock(httpx.Response(403, json={"detail": "no"}))
    found = scanned(related(web)).records
    assert len(found) == 3
    for one in found:
        assert one.unread is not None
        assert set(one.unread.fields) == {"lineage.run_id", "metrics", "native._related"}
        assert "/runs" in one.unread.reason


def test_a_preset_that_is_none_is_named() -> None:
    with pytest.raises(ValidationError, match=r"there is no preset 'zen': there are fastapi, zenml"):
        RestConfig.model_validate({"preset": "zen", "url": URL})


def test_what_stands_beside_a_preset_comes_first() -> None:
    page = {"style": "single"}
    given = {
        "preset": "fastapi",
        "url": URL,
        "token": "t",
        "models": {"page": page, "fields": {"name": "label"}},
    }
    config = RestConfig.model_validate(given)
    assert (config.models.page.style, config.models.page.total) == ("single", None)
    assert (config.models.fields["name"], config.models.fields["owner"]) == ("label", "owner")
    assert config.versions.page.style == "page"


def test_endpoints_need_ids_of_their_own() -> None:
    endpoints = {"path": "/e", "one": "/e/{id}", "fields": {"name": "name"}}
    with pytest.raises(ValidationError, match="endpoints name versions by ids"):
        adapter(versions={**VERSIONS, "incarnation": "made"}, endpoints=endpoints)

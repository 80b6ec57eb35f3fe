"""What a configuration can declare: every kind of credential and of paging, times, writes; and what is refused."""

import json
import re
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx
from pydantic import ValidationError

from adapters import (
    AdapterError,
    AuthError,
    InvalidError,
    Key,
    Mark,
    ModelRecord,
    Record,
    TransientError,
    UnsupportedError,
    VersionRecord,
)
from adapters.http import HttpClient, Reply
from adapters.rest import RestAdapter, RestConfig
from adapters.rest.expressions import Expression, MappingError
from tests.adapters.scans import scanned
from tests.adapters.web import answering

URL = "https://models.example/api"
ROWS = [{"id": f"m{number}", "name": f"model-{number}"} for number in range(1, 6)]
MODELS: dict[str, Any] = {"path": "/models", "one": "/models/{id}", "fields": {"name": "name"}}
VERSIONS: dict[str, Any] = {
    "path": "/models/{model}/versions", "one": "/models/{model}/versions/{id}", "fields": {"version": "text(id)"},
}  # fmt: skip
SECRET = "a-s3cret-nobody-sees"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.MockRouter]:
    """Nothing answers but what a test declares."""
    with answering(monkeypatch) as router:
        router.get(path__regex=r"/api/models/\w+/versions$", name="versions").mock(
            httpx.Response(200, json=[])
        )
        yield router


def adapter(**settings: Any) -> RestAdapter:
    known = {"url": URL, "models": MODELS, "versions": VERSIONS}
    return RestAdapter(RestConfig.model_validate({**known, **settings}))


def whole(opened: RestAdapter, since: str | None = None, limit: int = 100) -> tuple[list[Record], str | None]:
    """Every record of a scan, and its watermark."""
    found = scanned(opened, since, limit)
    return found.records, found.watermark


def paged(limit: int = 100, **page: Any) -> list[str]:
    """The names of the models that a whole scan gives, where the listing is paged like this."""
    items = {"items": "items"} if page["style"] not in ("link", "offset", "page") else {}
    records, _ = whole(adapter(models={**MODELS, **items, "page": page}), limit=limit)
    return [one.name for one in records if isinstance(one, ModelRecord)]


ALL = [row["name"] for row in ROWS]


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"auth": "bearer", "token": SECRET}, "authorization", f"Bearer {SECRET}"),
        ({"auth": "api_key", "api_key": SECRET}, "x-api-key", SECRET),
        ({"auth": "api_key", "api_key": SECRET, "api_key_header": "X-House"}, "x-house", SECRET),
        (
            {"auth": "basic", "username": "us", "password": SECRET},
            "authorization",
            "Basic " + b64encode(f"us:{SECRET}".encode()).decode(),
        ),
        ({"headers": {"X-Tenant": "shop"}}, "x-tenant", "shop"),
    ],
)
def test_requests_prove_who_we_are(
    web: respx.MockRouter, settings: dict[str, Any], name: str, value: str
) -> None:
    asked = web.get(f"{URL}/models").mock(httpx.Response(200, json=[]))
    adapter(**settings).probe()
    assert asked.calls.last.request.headers[name] == value


def test_oauth2_asks_for_a_token_and_again_when_it_ends(
    web: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter(["first-token", "second-token"])
    door = web.post("https://login.example/token").mock(
        side_effect=lambda request: httpx.Response(
            200, json={"access_token": next(given), "expires_in": 3600}
        )
    )
    asked = web.get(f"{URL}/models").mock(httpx.Response(200, json=[]))
    credentials = {"client_id": "waypost", "client_secret": SECRET, "scope": "models.read"}
    opened = adapter(auth="oauth2", token_url="https://login.example/token", **credentials)
    opened.probe(), opened.probe()
    assert asked.calls[0].request.headers["authorization"] == "Bearer first-token"
    assert door.call_count == 1, "one token serves many requests"
    form = parse_qs(door.calls.last.request.content.decode())
    assert form == {"grant_type": ["client_credentials"], "scope": ["models.read"]}
    now = time.monotonic() + 3600
    monkeypatch.setattr("adapters.tokens.time.monotonic", lambda: now)
    opened.probe()
    assert asked.calls.last.request.headers["authorization"] == "Bearer second-token"


def test_a_token_may_be_asked_for_by_a_form_of_the_services_own(web: respx.MockRouter) -> None:
    given = httpx.Response(200, json={"access_token": "given-token", "expires_in": None})
    door = web.post(f"{URL}/login").mock(given)
    asked = web.get(f"{URL}/models").mock(httpx.Response(200, json=[]))
    form = {"grant_type": "house-key", "password": "{api_key}"}
    opened = adapter(auth="oauth2", token_url="/login", token_form=form, api_key=SECRET)
    opened.probe()
    assert parse_qs(door.calls.last.request.content.decode()) == {
        "grant_type": ["house-key"],
        "password": [SECRET],
    }
    assert "authorization" not in door.calls.last.request.headers
    assert asked.calls.last.request.headers["authorization"] == "Bearer given-token"
    with pytest.raises(ValidationError, match=r'auth = "oauth2" needs api_key'):
        adapter(auth="oauth2", token_url="/login", token_form=form)
    with pytest.raises(ValidationError, match=r"there is no \{key\}"):
        adapter(auth="oauth2", token_url="/login", token_form={"password": "{key}"})


def test_a_refused_client_is_told_without_its_secret(web: respx.MockRouter) -> None:
    web.post("https://login.example/token").mock(httpx.Response(401, json={"error": SECRET}))
    opened = adapter(
        auth="oauth2", token_url="https://login.example/token", client_id="waypost", client_secret=SECRET
    )
    with pytest.raises(AuthError, match="check `client_id`") as caught:
        opened.probe()
    assert SECRET not in str(caught.value) + repr(opened) + repr(opened._config)


@pytest.mark.parametrize("auth", ["bearer", "api_key", "basic", "oauth2"])
def test_a_credential_that_is_missing_is_named(auth: str) -> None:
    with pytest.raises(ValidationError, match=f'auth = "{auth}" needs'):
        adapter(auth=auth)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_cursor_is_followed(web: respx.MockRouter, limit: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("after", 0))
        more = str(at + 2) if at + 2 < len(ROWS) else None
        return httpx.Response(200, json={"items": ROWS[at : at + 2], "next": more})

    web.get(f"{URL}/models").mock(side_effect=answer)
    assert paged(limit, style="cursor", param="after", next="next", size_value=2) == ALL


@pytest.mark.parametrize(
    "next_url", ["/api/models?at={}", "https://models.example/api/models?at={}", "?at={}"]
)
def test_a_next_address_in_the_body_is_followed(web: respx.MockRouter, next_url: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("at", 0))
        more = next_url.format(at + 2) if at + 2 < len(ROWS) else None
        return httpx.Response(200, json={"items": ROWS[at : at + 2], "next": more})

    web.get(f"{URL}/models").mock(side_effect=answer)
    assert paged(style="next_url", next="next") == ALL


def test_a_link_header_is_followed(web: respx.MockRouter) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("at", 0))
        more = {"Link": f'<{URL}/models?at={at + 2}>; rel="next"'} if at + 2 < len(ROWS) else {}
        return httpx.Response(200, json=ROWS[at : at + 2], headers=more)

    web.get(f"{URL}/models").mock(side_effect=answer)
    assert paged(style="link") == ALL


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("deleted", [1, 2])
def test_a_delete_between_pages_by_offset_hides_nothing(
    web: respx.MockRouter, size: int, deleted: int
) -> None:
    rows = [{"id": f"m{number}", "name": f"model-{number}"} for number in range(1, 10)]

    def answer(request: httpx.Request) -> httpx.Response:
        start, many = int(request.url.params.get("start", 0)), int(request.url.params["size"])
        found = rows[start : start + many]
        if start and len(rows) == 9:
            del rows[:deleted]
            found = rows[start : start + many]
        return httpx.Response(200, json=found)

    web.get("/api/models").mock(side_effect=answer)
    given = paged(style="offset", param="start", size="size", size_value=size)
    assert set(given) == {f"model-{number}" for number in range(1, 10)}


def test_offsets_and_numbers_are_counted(web: respx.MockRouter) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        at = int(query["start"]) if "start" in query else (int(query.get("page", 1)) - 1) * 2
        return httpx.Response(200, json=ROWS[at : at + 2])

    web.get(f"{URL}/models").mock(side_effect=answer)
    assert paged(style="offset", param="start", size_value=2) == ALL
    assert paged(style="page", param="page", size_value=2, first=1) == ALL


@pytest.mark.parametrize("style", ["cursor", "offset", "page", "link", "next_url"])
def test_a_page_with_more_records_than_were_asked_for_is_refused(web: respx.MockRouter, style: str) -> None:
    web.get(f"{URL}/models").mock(httpx.Response(200, json={"items": ROWS, "next": None}))
    page = {"style": style, "param": "at", "next": "next", "size": "size", "size_value": 4}
    with pytest.raises(InvalidError, match="5 records, more than the 4 that were asked for"):
        whole(adapter(models={**MODELS, "items": "items", "page": page}))


MANY = [{"id": f"m{number:02}", "name": f"model-{number}"} for number in range(1, 41)]


class Narrow:
    """A listing that answers with `room` records at most, and never with one of `broken`."""

    def __init__(self, room: int, broken: tuple[int, ...] = ()) -> None:
        self.room, self.broken = room, broken
        self.asked: list[tuple[int, int]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        size, row = int(query["size"]), int(query.get("at", 0))
        if "page" in query:
            row = (int(query["page"]) - 1) * size
        self.asked.append((row, size))
        if size > self.room or set(range(row, row + size)).intersection(self.broken):
            return httpx.Response(500)
        link = f'<{URL}/models?at={row + size}&size={size}>; rel="next"'
        more = row + size < len(MANY)
        body = {"items": MANY[row : row + size], "next": str(row + size) if more else None}
        return httpx.Response(200, json=body, headers={"Link": link} if more else {})


@pytest.mark.parametrize("limit", [3, 7, 100])
@pytest.mark.parametrize("room", [1, 2, 5, 12])
@pytest.mark.parametrize("style", ["cursor", "offset", "page", "link"])
def test_less_is_asked_for_where_a_page_is_too_much(
    web: respx.MockRouter, monkeypatch: pytest.MonkeyPatch, style: str, room: int, limit: int
) -> None:
    monkeypatch.setattr("adapters.http.HttpClient.call", _once)
    answer = Narrow(room)
    web.get(f"{URL}/models").mock(side_effect=answer)
    page = {"style": style, "param": "page" if style == "page" else "at", "next": "next", "size": "size"}
    records, _ = whole(adapter(models={**MODELS, "items": "items", "page": page}), limit=limit)
    assert [one.name for one in records if isinstance(one, ModelRecord)] == [row["name"] for row in MANY]
    assert sum(size > room for _, size in answer.asked) < 8 + len(answer.asked) / 3


@pytest.mark.parametrize("broken", [(0,), (17,), (17, 18), (39,)])
@pytest.mark.parametrize("style", ["offset", "page"])
def test_a_record_that_breaks_its_listing_is_passed_over_and_named(
    web: respx.MockRouter, monkeypatch: pytest.MonkeyPatch, style: str, broken: tuple[int, ...]
) -> None:
    monkeypatch.setattr("adapters.http.HttpClient.call", _once)
    web.get(f"{URL}/models").mock(side_effect=Narrow(100, broken))
    page = {"style": style, "param": "page" if style == "page" else "at", "size": "size"}
    opened = adapter(models={**MODELS, "items": "items", "page": page})
    found = scanned(opened, limit=100)
    names, bad = [*found.models()], found.bad
    assert names == [row["name"] for number, row in enumerate(MANY) if number not in broken]
    assert [one.native for one in bad] == [f"/models#{row + 1}" for row in broken]
    assert f"record {broken[0] + 1} of models.example" in str(bad[0])


@pytest.mark.parametrize("style", ["offset", "page", "cursor"])
def test_a_listing_that_breaks_everywhere_fails_soon(
    web: respx.MockRouter, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    monkeypatch.setattr("adapters.http.HttpClient.call", _once)
    answer = Narrow(0)
    web.get(f"{URL}/models").mock(side_effect=answer)
    page = {"style": style, "param": "at", "next": "next", "size": "size"}
    with pytest.raises(TransientError, match="answered 500"):
        whole(adapter(models={**MODELS, "items": "items", "page": page}))
    assert len(answer.asked) < 16


def test_a_scan_goes_on_behind_any_mark(web: respx.MockRouter) -> None:
    web.get(f"{URL}/models").mock(side_effect=Narrow(100))
    page = {"style": "page", "param": "page", "size": "size", "size_value": 10}
    opened = adapter(models={**MODELS, "items": "items", "page": page})
    whole_scan = scanned(opened, limit=10)
    for number, each in enumerate(whole_scan.pages[:-1], 1):
        rest = scanned(opened, limit=10, resume=each.mark)
        assert rest.items == [one for page in whole_scan.pages[number:] for one in page.records]


FORMER = {"at": 1.0, "listing": "models", "models": {}, "versions": {}, "parents": [], "more": True}


def test_a_place_of_a_former_release_is_refused(web: respx.MockRouter) -> None:
    with pytest.raises(InvalidError, match="begin the scan again"):
        scanned(adapter(), resume=Mark(json.dumps(FORMER)))


def _once(client: HttpClient, method: str, path: str, **given: Any) -> Reply:
    """A call without repetitions, which take their time."""
    return client._attempt(
        method, path, given.get("params"), {}, None, time.monotonic() + 30, client.endpoint.max_bytes
    )


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/api/models",
        "http://models.example/api/models",
        "https://models.example:444/api/models",
        "https://user@models.example/api/models",
        "//evil.example/api/models",
        "https://models.example/admin",
        "file:///etc/passwd",
    ],
)
def test_a_next_address_elsewhere_is_not_asked(web: respx.MockRouter, elsewhere: str) -> None:
    web.get(f"{URL}/models").mock(httpx.Response(200, json={"items": ROWS[:1], "next": elsewhere}))
    other = web.route(name="other").mock(httpx.Response(500))
    with pytest.raises(InvalidError, match="outside the configured `url`"):
        paged(style="next_url", next="next")
    assert not other.called


@pytest.mark.parametrize("circle", [1, 2, 3, 7])
def test_pages_that_lead_in_a_circle_end(web: respx.MockRouter, circle: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("after", 0))
        return httpx.Response(200, json={"items": ROWS[:1], "next": str(at % circle + 1)})

    listing = web.get(f"{URL}/models").mock(side_effect=answer)
    with pytest.raises(InvalidError):
        paged(style="cursor", param="after", next="next")
    assert listing.call_count < 100


@pytest.mark.parametrize(
    ("form", "shown"), [("epoch_ms", r"\d{13}"), ("epoch_s", r"\d{10}"), ("iso", r"2026-11-\d\dT.*Z")]
)
def test_what_changed_is_asked_for_by_the_backends_clock(
    web: respx.MockRouter, form: str, shown: str
) -> None:
    listing = web.get(f"{URL}/models").mock(
        httpx.Response(200, json=[], headers={"Date": "Sat, 21 Nov 2026 12:00:00 GMT"})
    )
    since = {"since": {"param": "changed", "format": form}}
    opened = adapter(models={**MODELS, **since})
    _, mark = whole(opened)
    assert "changed" not in listing.calls.last.request.url.params
    whole(opened, mark)
    (asked,) = [
        found for call in listing.calls if (found := call.request.url.params.get("changed")) is not None
    ]
    assert re.fullmatch(shown, asked), asked


@pytest.mark.parametrize("made", [1767225600000, "1767225600000", "1.7672256e12", 1767225600000.0])
def test_numbers_may_come_as_text(web: respx.MockRouter, made: float | str) -> None:
    raw = {
        "id": "7", "made": made, "seconds": str(1767225600),
        "m": {"auc": "0.9", "steps": "12", "huge": "1e300", "none": "n/a", "nan": "nan", "endless": "1e999"},
    }  # fmt: skip
    web.get(f"{URL}/models").mock(httpx.Response(200, json=ROWS[:1]))
    web["versions"].mock(httpx.Response(200, json=[raw]))
    fields = {
        "version": "id", "metrics": "m", "created_at": "epoch_ms(made)", "updated_at": "epoch_s(seconds)",
    }  # fmt: skip
    opened = adapter(versions={**VERSIONS, "fields": fields})
    (found,) = [one for one in whole(opened)[0] if isinstance(one, VersionRecord)]
    assert found.metrics == {"auc": 0.9, "steps": 12.0, "huge": 1e300}
    assert found.created_at == found.updated_at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("made", ["", "soon", "2026-01-01", "1_000", "1" * 400])
def test_text_that_is_no_time_in_numbers_is_said(made: str) -> None:
    with pytest.raises(MappingError, match=r"epoch_ms\(made\)"):
        Expression("epoch_ms(made)").of({"made": made})


def test_fields_are_mapped_by_expressions(web: respx.MockRouter) -> None:
    raw = {
        "id": 7,
        "labels": [{"k": "team", "v": "risk"}],
        "made": 1767225600000,
        "who": None,
        "m": {"auc": 0.9},
    }
    web.get(f"{URL}/models").mock(httpx.Response(200, json=ROWS[:1]))
    web["versions"].mock(httpx.Response(200, json=[raw]))
    fields = {
        "version": "text(id)", "tags": "pairs(labels, 'k', 'v')", "created_at": "epoch_ms(made)",
        "creator": "who", "metrics": "m",
    }  # fmt: skip
    opened = adapter(versions={**VERSIONS, "fields": fields})
    (found,) = [one for one in whole(opened)[0] if isinstance(one, VersionRecord)]
    assert (found.version, found.tags, found.metrics, found.creator) == (
        "7",
        {"team": "risk"},
        {"auc": 0.9},
        None,
    )
    assert found.created_at is not None
    assert found.created_at.isoformat() == "2026-01-01T00:00:00+00:00"


def test_a_mapping_is_tried_on_its_sample_before_anything_is_asked(web: respx.MockRouter) -> None:
    with pytest.raises(InvalidError, match="the mapping does not fit its own sample"):
        adapter(models={**MODELS, "sample": {"id": "m1", "name": 7}})
    assert not web.calls


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "nme("}, "is not JMESPath"),
        ({"name": "shout(name)"}, "unknown function"),
        ({"name": "name", "colour": "c"}, "no such field: colour"),
        ({"title": "name"}, "`name` is missing"),
    ],
)
def test_a_wrong_mapping_is_refused_where_it_is_read(fields: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError, match="(?i)" + says):
        adapter(models={**MODELS, "fields": fields})


def test_a_write_fills_in_its_names_and_keeps_their_types(web: respx.MockRouter) -> None:
    raw = {"id": "3", "etag": "e1", "tags": {"team": "risk"}}
    web.get(f"{URL}/models/m1").mock(httpx.Response(200, json=ROWS[0]))
    web.get(f"{URL}/models/m1/versions/3").mock(httpx.Response(200, json=raw))
    web.get(f"{URL}/models").mock(httpx.Response(200, json=ROWS[:1]))
    web["versions"].mock(httpx.Response(200, json=[raw]))
    writes = {
        "set_stage": {
            "path": "/models/{model}/versions/{id}/promote",
            "body": {"to": "{value}"},
            "if_match": True,
        },
        "set_tags": {
            "method": "PATCH",
            "path": "/models/{model}/versions/{id}",
            "body": {"labels": "{tags}"},
        },
    }
    fields = {"version": "id", "etag": "etag", "tags": "tags"}
    opened = adapter(versions={**VERSIONS, "fields": fields}, writes=writes)
    promoted = web.post(f"{URL}/models/m1/versions/3/promote").mock(httpx.Response(200, json={}))
    tagged = web.patch(f"{URL}/models/m1/versions/3").mock(httpx.Response(200, json={}))
    (key,) = [one.key for one in whole(opened)[0] if isinstance(one, VersionRecord)]
    opened.set_stage(key, "stage", "live", etag="e1")
    assert json.loads(promoted.calls.last.request.content) == {"to": "live"}
    assert promoted.calls.last.request.headers["if-match"] == "e1"
    opened.set_tags(key, {"tier": "1"})
    assert json.loads(tagged.calls.last.request.content) == {"labels": {"team": "risk", "tier": "1"}}
    with pytest.raises(UnsupportedError, match=r"writes\.delete is not configured"):
        opened.delete(key)


def test_a_write_with_a_name_it_has_not_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"set_stage has no \{stage\}"):
        adapter(writes={"set_stage": {"path": "/x/{id}", "body": "{stage}"}})


@pytest.mark.parametrize("native", ["..", ".", ""])
def test_an_id_never_climbs_out_of_its_path(web: respx.MockRouter, native: str) -> None:
    with pytest.raises(AdapterError):
        adapter().get(Key("model", native))
    assert not web.calls

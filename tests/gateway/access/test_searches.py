"""Saved searches over HTTP and on the pages: kept, opened by their address, removed."""

from urllib.parse import urlencode

from tests.gateway.access.gate import Gate
from tests.gateway.access.test_sign_in import SAME, signed_in

SEARCHES = "/api/v1/searches"
KEPT = {"q": "fraud", "sort": "updated", "group": "model", "strict": "true", "literal": "fraud"}


def test_a_search_is_kept_shown_replaced_and_removed(guarded: Gate) -> None:
    one, other = guarded.token("one", ("viewer", "*")), guarded.token("other", ("viewer", "*"))
    body = {"name": "live fraud", "q": "fraud stage:production"}
    first = guarded.ask("POST", SEARCHES, token=one, json=body)
    assert first.status_code == 201
    kept = first.json()
    assert kept["address"] == f"/searches/{kept['id']}"
    again = guarded.ask("POST", SEARCHES, token=one, json={**body, "q": "fraud"})
    assert (again.status_code, again.json()["id"]) == (200, kept["id"])
    assert guarded.ask("GET", f"{SEARCHES}/live%20fraud", token=one).json()["q"] == "fraud"
    assert guarded.ask("GET", SEARCHES, token=other).json() == {"searches": []}
    refused = guarded.ask("POST", SEARCHES, token=one, json={**body, "team": "risk"})
    assert refused.status_code == 403
    broken = guarded.ask("POST", SEARCHES, token=one, json={**body, "q": "stage:("})
    assert broken.status_code == 422
    assert broken.json()["type"].endswith("invalid-query")
    assert guarded.ask("DELETE", f"{SEARCHES}/{kept['id']}", token=other).status_code == 404
    assert guarded.ask("DELETE", f"{SEARCHES}/{kept['id']}", token=one).status_code == 204
    assert guarded.ask("GET", SEARCHES, token=one).json() == {"searches": []}


def test_a_page_keeps_a_search_and_its_address_opens_what_it_finds(guarded: Gate) -> None:
    browser = signed_in(guarded, guarded.token("ci", ("contributor", "*")))
    asked = guarded.ask("GET", "/searches", params=KEPT, headers=browser)
    assert 'value="fraud"' in asked.text
    assert "team risk" in asked.text
    form = {"name": "<b>live</b>", **KEPT, "team": "risk"}
    kept = guarded.ask("POST", "/searches", headers={**browser, **SAME}, data=form)
    assert (kept.status_code, kept.headers["location"]) == (303, "/searches")
    listed = guarded.ask("GET", "/searches", headers=browser)
    assert "&lt;b&gt;live&lt;/b&gt;" in listed.text
    assert 'action="/watches"' in listed.text
    assert 'value="search:fraud"' in listed.text
    [one] = guarded.ask("GET", "/searches.json", headers=browser).json()["searches"]
    opened = guarded.ask("GET", one["address"], headers=browser)
    assert (opened.status_code, opened.headers["location"]) == (303, f"/?{urlencode(KEPT)}")
    mistaken = guarded.ask("POST", "/searches", headers={**browser, **SAME}, data={**form, "q": "stage:("})
    assert mistaken.status_code == 422
    assert "was not kept" in mistaken.text
    guarded.ask("POST", f"{one['address']}/remove", headers={**browser, **SAME})
    assert "No search is kept yet" in guarded.ask("GET", "/searches", headers=browser).text

"""What people come for, as they would do it."""

import re
from datetime import UTC, datetime
from pathlib import Path

from tests.gateway.served import Served
from tests.patience import until
from tests.ui.browser import Visit
from tests.ui.conftest import token_of


def test_find_the_production_fraud_model_and_copy_its_load_snippet(seen: Visit) -> None:
    with seen.journey("/", 3):
        seen.page.fill("#q", "which model in production scores card payments for fraud?")
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_url("**q=which**")
        seen.page.locator("a[data-hit]").first.click()
        seen.page.wait_for_url("**/models/**")
        seen.settle()
        seen.page.locator("pre + button[data-copy]").first.click()
        copied = "model = shop.load('card-fraud-scorer:3')"
        until(lambda: seen.page.evaluate("navigator.clipboard.readText()") == copied, "the line is copied")


def test_see_what_breaks_if_an_encoder_is_archived_and_export_it(seen: Visit) -> None:
    seen.go("/versions/search/encoder:3")
    seen.page.get_by_role("link", name="Impact", exact=True).click()
    seen.page.get_by_role("link", name="what if I archive it").click()
    seen.page.wait_for_url("**action=archive**")
    broken = seen.page.locator(".numbers .bad dd").first.inner_text()
    assert int(broken) > 3
    with seen.page.expect_download() as download:
        seen.page.get_by_role("link", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("ref,distance,breaks,reason")
    assert sum(",true," in line for line in lines) == int(broken)


def test_what_was_in_production_on_a_date(seen: Visit) -> None:
    seen.go("/production")
    seen.page.fill("input[name=as_of]", datetime.now(UTC).date().isoformat())
    seen.page.get_by_role("button", name="Show").click()
    seen.page.wait_for_url("**as_of=**")
    assert seen.page.get_by_role("link", name="fraud/card-fraud-scorer:3").is_visible()
    seen.page.fill("input[name=as_of]", "2020-01-01")
    seen.page.get_by_role("button", name="Show").click()
    seen.page.wait_for_selector(".empty")


def test_compare_two_versions_of_different_teams(seen: Visit) -> None:
    seen.go("/versions/fraud/merchant-embedder:2")
    seen.page.get_by_role("link", name="Compare").click()
    seen.page.fill("input[name=right]", "search/encoder@champion")
    seen.page.get_by_role("button", name="Compare").click()
    seen.page.wait_for_selector("table")
    text = seen.page.inner_text("main")
    assert "Schema:" in text
    assert "discovery" in text
    assert "risk" in text


def test_prove_that_an_audit_entry_is_in_the_log(seen: Visit, shop: Served) -> None:
    until(lambda: shop.client.get("/audit/entries/2").json().get("inclusion"), "it is signed")
    seen.go("/audit")
    seen.page.locator("tbody th a").last.click()
    verdict = seen.page.locator("[data-verdict].good")
    assert "Checked in this page" in verdict.inner_text()
    assert "root of the signed checkpoint" in verdict.inner_text()


def test_a_forged_entry_does_not_pass(seen: Visit) -> None:
    seen.page.route(
        "**/audit/2",
        lambda route: route.fulfill(
            response=(answer := route.fetch()), body=answer.text().replace('data-bytes="', 'data-bytes="AAAA')
        ),
    )
    seen.go("/audit/2")
    assert "does not hold" in seen.page.locator("[data-verdict]").inner_text()


def test_a_registry_is_down_notice_see_why_retry(seen: Visit, shop: Served, shop_folder: Path) -> None:
    down = shop_folder / "search" / "down"
    down.touch()
    try:
        seen.go("/registries/search")
        seen.page.get_by_role("button", name="Sync now").click()
        seen.page.wait_for_url("**/syncs/**")
        seen.page.wait_for_selector("main:not(:has([data-progress])) .state-failed")
        seen.go_until("/", lambda page: page.locator(".banner").count() > 0)
        with seen.journey("/", 3):
            banner = seen.page.locator(".banner", has_text="search")
            assert "cannot be read right now" in banner.inner_text()
            banner.get_by_role("link", name="See why").click()
            why = seen.page.inner_text(".mistake")
            assert "It cannot be read. the shop does not answer: connection refused" in why
            down.unlink()
            seen.page.get_by_role("button", name="Try again now").click()
            seen.page.wait_for_url("**/syncs/**")
            seen.page.wait_for_selector("main:not(:has([data-progress])) .state-ok")
    finally:
        down.unlink(missing_ok=True)
    seen.go_until("/", lambda page: page.locator(".banner").count() == 0)


def test_watch_a_sync_while_it_lasts(seen: Visit, shop: Served, shop_folder: Path) -> None:
    slow = shop_folder / "fraud" / "slow"
    slow.touch()
    try:
        seen.go("/registries/fraud")
        seen.page.get_by_role("button", name="Sync now").click()
        seen.page.wait_for_url("**/syncs/**")
        seen.page.wait_for_selector("[data-progress] progress")
        seen.page.locator("[data-progress] .numbers dd", has_text=re.compile("^3$")).first.wait_for()
        assert seen.page.locator(".state-running").count() == 1
    finally:
        slow.unlink()
    seen.page.wait_for_selector("main:not(:has([data-progress])) .state-ok")
    assert int(seen.page.locator(".numbers dd").first.inner_text()) > 3


def test_move_an_alias_after_seeing_its_impact(seen: Visit, shop: Served) -> None:
    seen.go("/versions/search/encoder:2")
    seen.page.get_by_role("link", name="Change", exact=True).click()
    seen.page.fill("input[name=name]", "champion")
    seen.page.locator("section", has=seen.page.locator("#h-alias")).get_by_role("button").click()
    seen.page.wait_for_selector("#h-sure")
    assert "moves from version 3 to version 2" in seen.page.inner_text("#h-sure")
    assert "affected" in seen.page.inner_text("section.card")
    seen.page.get_by_role("button", name="Move @champion to version 2").click()
    seen.page.wait_for_selector("#operation .state-ok")
    assert shop.client.get("/models/search/encoder").json()["aliases"]["champion"] == "2"
    shop.client.put("/models/search/encoder/aliases/champion", json={"version": "3"})
    until(
        lambda: shop.client.get("/models/search/encoder").json()["aliases"]["champion"] == "3", "it is back"
    )


def test_many_are_tagged_after_one_preview_without_scripts(plain: Visit) -> None:
    plain.go("/?q=registry:fraud+scorer")
    plain.page.get_by_role("link", name="Tag or deprecate these").click()
    plain.page.wait_for_url("**/bulk?**")
    refs = plain.page.get_by_role("checkbox")
    count = refs.count()
    assert count > 1
    left_out = plain.page.get_by_role("checkbox").first.get_attribute("name") or ""
    plain.page.get_by_role("checkbox").first.uncheck()
    plain.page.get_by_label("Tags to set").fill("reviewed=2026")
    plain.page.get_by_label("Deprecate their models until").fill("2031-03-31")
    plain.page.get_by_role("button", name="See what changes").click()
    plain.page.wait_for_selector("#h-sure")
    shown = plain.page.get_by_role("group", name="What changes in the registries")
    assert shown.locator("tbody tr").count() == count - 1
    assert left_out.removeprefix("of ") not in shown.inner_text()
    assert "tag:reviewed" in shown.inner_text()
    assert plain.page.get_by_role("button", name="Do all of this").is_visible()
    gone = plain.page.get_by_role("group", name="What is deprecated")
    assert gone.locator("tbody tr").count() == count - 1, "each is a model of its own"


def test_a_teams_list_is_tagged_in_four_clicks(seen_alone: Visit, own_shop: Served) -> None:
    with seen_alone.journey("/team?team=discovery", 4):
        seen_alone.page.get_by_role("link", name=re.compile("^Tag or .* In production$")).click()
        seen_alone.page.get_by_label("Tags to set").fill("reviewed=2026")
        seen_alone.page.get_by_role("button", name="See what changes").click()
        shown = seen_alone.page.get_by_role("group", name="What changes in the registries").locator(
            "tbody tr"
        )
        count = shown.count()
        seen_alone.page.get_by_role("button", name="Do all of this").click()
        done = seen_alone.page.locator("section", has=seen_alone.page.locator("#h-done")).locator("li a.ref")
        refs = done.all_inner_texts()
    assert 0 < len(refs) == count

    def tags(ref: str) -> dict[str, str]:
        found: dict[str, str] = own_shop.client.get(f"/versions/{ref}").json()["tags"]
        return found

    until(lambda: all(tags(ref).get("reviewed") == "2026" for ref in refs), "all are tagged")


def test_make_a_token_see_its_secret_once_and_end_it(seen: Visit) -> None:
    seen.expected = ("422",)
    seen.go("/tokens")
    seen.page.fill("input[name=name]", "pipeline")
    seen.page.select_option("select[name=role]", "viewer")
    seen.page.get_by_role("button", name="Make a token").click()
    seen.page.wait_for_selector(".note.good code")
    secret = seen.page.inner_text(".note.good code")
    assert len(secret) > 20
    seen.go("/tokens")
    assert secret not in seen.page.content()
    seen.page.get_by_role("button", name="Revoke pipeline").click()
    seen.page.wait_for_selector("td .badge:has-text('revoked')")


def test_what_changed_in_my_team_since_yesterday_in_one_click(seen: Visit) -> None:
    with seen.journey("/", 1):
        seen.page.get_by_role("link", name="Team", exact=True).click()
        seen.page.wait_for_url("**/team")
        seen.settle()
    assert seen.page.get_by_role("heading", name="Changed since yesterday").is_visible()
    assert seen.page.get_by_role("group", name="Changes").locator("tbody tr").count() > 0


def test_may_this_encoder_be_archived_in_two_clicks(seen: Visit) -> None:
    with seen.journey("/versions/encoder:3", 2):  # a bare name is enough where only one model has it
        seen.page.get_by_role("link", name="Impact", exact=True).click()
        seen.page.get_by_role("link", name="what if I archive it").click()
        seen.page.wait_for_url("**/impact/search/encoder:3**action=archive**")
    assert "would break" in seen.page.inner_text("main")


def rankers_in_production(shop: Served) -> list[str]:
    """The versions of the product ranker that are in production."""
    versions = shop.client.get("/models/search/product-ranker").json()["versions"]
    return [one["version"] for one in versions if one["stage"] == "production"]


def test_roll_back_a_ranker_in_two_clicks_and_prove_who_did_it_in_three(
    seen_alone: Visit, own_shop: Served
) -> None:
    assert rankers_in_production(own_shop) == ["4"]
    own_shop.client.put("/models/search/product-ranker/aliases/champion", json={"version": "5"})
    until(lambda: rankers_in_production(own_shop) == ["5"], "another version is in production")
    with seen_alone.journey("/models/search/product-ranker", 3):
        assert "Version 5 is in production" in seen_alone.page.inner_text("main")
        seen_alone.page.get_by_role("link", name="Roll back", exact=True).click()
        assert "search/product-ranker:4" in seen_alone.page.inner_text("#h-back")
        seen_alone.page.get_by_label("Why").fill("fewer orders")
        seen_alone.page.get_by_role("button", name="Roll back").click()
        seen_alone.page.wait_for_url("**/promotions/**")
    promotion = seen_alone.page.url.removeprefix(seen_alone.url)
    seen_alone.go_until(promotion, lambda page: page.locator("h1 .state-done").count() == 1)
    assert rankers_in_production(own_shop) == ["4"]
    told = {"ref": "search/product-ranker:4", "action": "promotion.proposed"}
    (entry,) = own_shop.client.get("/audit", params=told).json()["entries"]
    until(
        lambda: own_shop.client.get(f"/audit/entries/{entry['seq']}").json().get("inclusion"), "it is signed"
    )
    with seen_alone.journey("/versions/search/product-ranker:4", 3):
        seen_alone.page.get_by_role("link", name="all", exact=True).click()
        seen_alone.page.wait_for_url("**/audit?ref=**")
        seen_alone.page.locator("tr", has_text="proposed").get_by_role("link").first.click()
        seen_alone.page.wait_for_url(f"**/audit/{entry['seq']}")
        assert "Checked in this page" in seen_alone.page.locator("[data-verdict].good").inner_text()
    assert "local" in seen_alone.page.inner_text("dl.facts")


def test_where_no_way_back_is_known_another_version_is_brought_back_in_three_clicks(
    seen_alone: Visit, own_shop: Served
) -> None:
    assert rankers_in_production(own_shop) == ["4"]
    with seen_alone.journey("/models/search/product-ranker", 3):
        seen_alone.page.get_by_role("link", name="Roll back", exact=True).click()
        assert "no other version held it" in seen_alone.page.inner_text(".mistake")
        seen_alone.page.get_by_role("link", name="search/product-ranker:3", exact=True).click()
        assert "champion" in seen_alone.page.inner_text("main")
        seen_alone.page.get_by_label("Why").fill("fewer orders")
        seen_alone.page.get_by_role("button", name="Propose it").click()
        seen_alone.page.wait_for_url("**/promotions/**")
    promotion = seen_alone.page.url.removeprefix(seen_alone.url)
    seen_alone.go_until(promotion, lambda page: page.locator("h1 .state-done").count() == 1)
    assert rankers_in_production(own_shop) == ["3"]


def sign_in(seen: Visit, secret: str) -> None:
    """Come in with a token."""
    seen.go("/sign-in")
    seen.page.fill("input[name=token]", secret)
    seen.page.get_by_role("button", name="Sign in with a token").click()
    seen.page.wait_for_url(f"{seen.url}/")
    seen.settle()


def test_who_approved_this_is_proved_in_the_browser_in_three_clicks(
    seen_guarded: Visit, guarded_shop: Served
) -> None:
    people = (("ada", "contributor"), ("grace", "approver"), ("vera", "auditor"))
    secrets = [token_of(guarded_shop, name, role) for name, role in people]
    ada, grace, vera = ({"Authorization": f"Bearer {secret}"} for secret in secrets)
    proposed = guarded_shop.client.post(
        "/promotions", json={"ref": "search/encoder:2", "to": "production", "reason": "new"}, headers=ada
    )
    assert proposed.status_code in (200, 201, 202), proposed.text
    place = f"/promotions/{proposed.json()['id']}"
    evidence = guarded_shop.client.get(place, headers=grace).json()["judgement"]["evidence"]
    said = guarded_shop.client.post(f"{place}/approve", json={"evidence": evidence}, headers=grace)
    assert said.status_code == 200, said.text
    told = {"ref": "search/encoder:2", "action": "promotion.agreed"}
    (entry,) = guarded_shop.client.get("/audit", params=told, headers=vera).json()["entries"]
    number = entry["seq"]
    proof = f"/audit/entries/{number}"
    until(lambda: guarded_shop.client.get(proof, headers=vera).json().get("inclusion"), "it is signed")
    page = seen_guarded.page
    sign_in(seen_guarded, secrets[-1])
    with seen_guarded.journey("/versions/search/encoder:2", 3):
        page.get_by_role("link", name="all", exact=True).click()
        page.wait_for_url("**/audit?ref=**")
        row = page.locator("tr", has_text="grace").filter(has_text="agreed")
        row.get_by_role("link").first.click()
        page.wait_for_url(f"**/audit/{number}")
        page.wait_for_load_state("networkidle")  # a picture that is cut off would be a fault of the page
        page.context.set_offline(True)
        try:
            assert "Checked in this page" in page.locator("[data-verdict].good").inner_text()
            facts = page.inner_text("dl.facts >> nth=0")
        finally:
            page.context.set_offline(False)
    assert "grace" in facts
    assert "promotion.agreed" in facts
    assert "search/encoder:2" in facts
    assert evidence in page.inner_text("main"), "it is said what was approved"
    seen_guarded.go(place)
    assert "grace" in page.inner_text("main")
    assert seen_guarded.axe() == []


def test_the_first_page_says_what_was_done_in_an_emergency_until_somebody_else_reviews_it(
    seen_guarded: Visit, guarded_shop: Served
) -> None:
    people = (("eve", "emergency"), ("grace", "approver"))
    eve, grace = (token_of(guarded_shop, name, role) for name, role in people)
    asked = {"ref": "search/encoder:2", "to": "production", "reason": "fire", "emergency": True}
    own = {"Authorization": f"Bearer {eve}"}
    made = guarded_shop.client.post("/promotions", json=asked, headers=own)
    assert made.status_code == 201, made.text
    place = f"/promotions/{made.json()['id']}"
    until(lambda: guarded_shop.client.get(place).json()["state"] == "done", "it is carried out")
    guarded_shop.client.post(
        "/promotions", json={**asked, "ref": "search/encoder:1", "emergency": False}, headers=own
    )
    page = seen_guarded.page
    sign_in(seen_guarded, grace)
    banner = page.locator(".banner", has_text="search/encoder:2 was brought to production in an emergency")
    with seen_guarded.journey("/", 2):
        banner.get_by_role("link").click()
        page.wait_for_url(f"**{place}")
        page.get_by_label("What to say").fill("the fire is out")
        page.get_by_role("button", name="Close the review").click()
        page.wait_for_selector("li:has-text('review by grace')")
    seen_guarded.go("/")
    assert banner.count() == 0
    with seen_guarded.journey("/", 2):
        page.get_by_role("link", name="Promotions", exact=True).click()
        page.locator(".banner").get_by_role("link", name="search/encoder:1 to production").click()
        page.wait_for_url("**/promotions/*")
        assert page.get_by_role("button", name="Approve").is_visible()

"""Each page: right, still, accessible, on a phone and a wide screen, light and dark, with and without scripts."""

import itertools
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.gateway.served import Served
from tests.soak import soak
from tests.ui.browser import Theme, Visit
from tests.ui.plugins.shop import HOSTILE

PAGES = {
    "/": "Every model of every team",
    "/?q=fraud+stage:production": "card-fraud-scorer",
    "/?q=nothingislikethis": "Nothing fits",
    "/?q=stage:(": "cannot be read as a query",
    "/models/fraud/card-fraud-scorer": "is in production",
    "/versions/fraud/card-fraud-scorer:4": "Made from",
    "/models/search/encoder?as_of=2026-01-01": "Stage or alias",
    "/versions/search/encoder@champion": "because of",
    "/similar/fraud/card-fraud-scorer:4": "chargeback-predictor",
    "/diff": "Name two versions",
    "/diff?left=fraud/card-fraud-scorer:3&right=search/encoder:3": "Schema:",
    "/compare": "Name two to eight versions",
    "/compare?ref=fraud/card-fraud-scorer:3&ref=search/encoder:3&ref=search/encoder:2&sort=-auc": "is not alike",
    "/graph/fraud/merchant-embedder:2": "Legend",
    "/impact/search/encoder:3?action=archive": "would break",
    "/impact/search/encoder@champion?action=move-alias&to=2": "affected in all",
    "/impact?dataset=payments-2026q2": "affected in all",
    "/registries": "Last success",
    "/team?team=risk": "Without an owner",
    "/registries/fraud": "Last runs",
    "/insights": "Most depended on",
    "/insights/most-depended-on": "search/encoder:3",
    "/production": "card-fraud-scorer",
    "/audit": "Checkpoint",
    "/audit/3": "Proof",
    "/bulk": "Choose among what this finds",
    "/bulk?q=registry:search&group=model": "What to do to the chosen",
    "/change/search/encoder:3?what=alias&name=champion&value=2": "moves from version 3 to version 2",
    "/operations": "asked for through Waypost",
    "/promotions": "Nothing was proposed yet",
    "/policies": "No policy holds",
    "/retention": "No rule of retention is on anything here",
    "/rollback/search/encoder": "Roll back",
    "/promote/search/encoder:3?to=staging": "No policy has a say",
    "/changes": "catalogue.imported",
    "/inbox": "You watch nothing yet",
    "/webhooks": "Nobody is sent events",
    "/account": "What they allow",
    "/tokens": "Make a token",
    "/grants": "The roles",
    "/principals": "People and services",
    "/sessions": "Signed-in browsers",
    "/searches?q=fraud": "Keep this search",
    "/health": "Health",
    "/models/fraud/not-there": "What to do next",
}
STATUS = {"/models/fraud/not-there": 404}


STILL = 0.02
"""So much of itself may a page move while it arrives: a fifth of what Web Vitals call good."""
Look = tuple[int, Theme]
LOOKS: tuple[tuple[Look, Look], ...] = (
    ((390, "dark"), (1440, "light")),
    ((390, "light"), (1440, "dark")),
)
"""Of both sizes each with another theme; the pages take turns, and `make soak` looks at each in all four."""


def looked_at(seen: Visit, path: str, looks: tuple[Look, ...]) -> Iterator[str]:
    """What is wrong with a page in these sizes and themes."""
    seen.expected = ("404 (Not Found)",) if path in STATUS else ()
    for width, theme in looks:
        seen.look(width, theme)
        at = f"{path} at {width} pixels, {theme}"
        status = seen.go(path)
        if status != STATUS.get(path, 200) or PAGES[path] not in seen.page.inner_text("body"):
            yield f"{at} answers {status} and {seen.page.inner_text('body')[:500]}"
        if seen.shifted() >= STILL:
            yield f"{at} moves: {seen.moved()}"
        for mistake in seen.page.locator("[data-drawing] .mistake").all_inner_texts():
            yield f"{at} is not drawn: {mistake}"
        if seen.overflows():
            yield f"{at} is wider than its window"
        yield from (f"{at}: {label} is a label of nothing" for label in seen.blank())
        yield from (f"{at}: {one}" for one in seen.axe())


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_in_every_size(seen: Visit, path: str) -> None:
    turn = list(PAGES).index(path) % len(LOOKS)
    assert list(looked_at(seen, path, LOOKS[turn])) == []


def test_on_a_phone_a_comparison_keeps_its_fields_in_sight_and_leaves_out_metrics_that_are_wanting(
    seen: Visit,
) -> None:
    seen.go("/compare?ref=fraud/card-fraud-scorer:3&ref=search/encoder:3&ref=search/product-ranker:4")
    seen.look(390, "dark")
    table = seen.page.locator(".pair").first
    assert table.evaluate("one => { one.scrollLeft = 9999; return one.scrollLeft; }") > 100
    at = [
        one.evaluate("one => one.getBoundingClientRect().left") for one in (table, table.locator("th").first)
    ]
    assert at[0] == pytest.approx(at[1], abs=2)
    assert table.locator("tbody th").first.is_visible()
    assert "–" not in seen.page.locator(".cards").first.inner_text()


def test_the_head_of_a_page_keeps_its_one_line_whichever_place_is_marked_in_it(seen: Visit) -> None:
    seen.go("/promotions")
    seen.look(1220, "light")
    assert seen.page.locator(".top a[aria-current]").inner_text() == "Promotions"
    who, brand = (seen.page.locator(f".top {name}").first.bounding_box() for name in (".who", "nav > *"))
    assert who is not None
    assert brand is not None
    assert abs(who["y"] + who["height"] / 2 - brand["y"] - brand["height"] / 2) < 6


def test_the_operations_of_a_long_rollout_are_large_enough_for_a_finger(seen: Visit) -> None:
    """A promotion links them one beside the other, on a phone in several rows."""
    seen.go("/versions/search/product-ranker:4")
    seen.look(360, "light")
    links = " ".join(f'<a href="/operations/{number}">{number}</a>' for number in range(1, 40))
    fact = seen.page.locator("dl.facts dd").first
    assert (
        fact.evaluate("(one, links) => { one.innerHTML = links; return one.childElementCount; }", links) == 39
    )
    assert seen.axe("target-size") == []


@pytest.mark.parametrize(("method", "looks"), [("get", LOOKS[0]), ("post", LOOKS[1])])
def test_the_description_of_the_api_is_accessible(seen: Visit, method: str, looks: tuple[Look, ...]) -> None:
    seen.go("/docs")
    seen.page.locator(f".opblock-{method} .opblock-summary-control").first.click()
    seen.page.wait_for_selector(".opblock.is-open .responses-wrapper")
    for width, theme in looks:
        seen.look(width, theme)
        assert seen.axe() == []


REACHED = """() => {
  const link = document.activeElement, holder = link.closest(".drawing, .picture");
  if (!holder || link === holder) return null;
  const node = link.getBoundingClientRect(), frame = holder.getBoundingClientRect();
  return { text: link.textContent, whole: node.left > frame.left - 3 && node.right < frame.right + 3
    && node.top > frame.top - 3 && node.bottom < frame.bottom + 3 };
}"""
"""Which link of a graph has the focus, and whether it is shown whole."""
UNEVEN = """() => {
  const wide = (row) => [...row.cells].filter((cell) => cell.offsetParent).reduce((sum, cell) => sum + cell.colSpan, 0);
  return [...document.querySelectorAll("main tbody tr")].filter((row) => row.offsetParent
    && wide(row) !== wide(row.closest("table").tHead.rows[0])).map((row) => row.textContent);
}"""
"""Rows that have not as many cells as the head of their table."""
PAPER = 718
"""The width in pixels of what a browser prints on, of A4 with its margins."""


@pytest.mark.parametrize(
    "path",
    ["/versions/fraud/card-fraud-scorer:4", "/models/search/encoder", "/audit", "/audit/3", "/production"],
)
def test_on_paper_a_page_has_its_tables_and_what_is_folded_and_nothing_to_press(
    seen: Visit, path: str
) -> None:
    seen.go(path)
    try:
        seen.page.emulate_media(media="print")
        seen.page.set_viewport_size({"width": PAPER, "height": 1000})
        page = seen.page
        shown = page.locator("main table").evaluate_all(
            "all => all.map((one) => getComputedStyle(one).display)"
        )
        assert set(shown) <= {"table"}
        assert page.evaluate(UNEVEN) == []
        assert page.locator("button:visible, input:visible, .top:visible").count() == 0
        assert not seen.overflows()
        for folded in page.locator("details pre").all():
            assert folded.is_visible()
    finally:
        seen.page.emulate_media(media="screen")


@soak(sample=1, full=len(PAGES), batch=len(PAGES))
def test_pages_are_whole_in_every_size_and_theme(cases: int, seed: int, seen: Visit) -> list[str]:
    first = seed % len(PAGES)
    paths = itertools.islice(itertools.cycle(PAGES), first, first + cases)
    return [wrong for path in paths for wrong in looked_at(seen, path, (*LOOKS[0], *LOOKS[1]))]


@pytest.mark.parametrize("path", [path for path in PAGES if path not in STATUS])
def test_a_page_can_be_read_without_scripts(plain: Visit, path: str) -> None:
    plain.go(path)
    assert PAGES[path] in plain.page.inner_text("body")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_inert_and_stays_in_its_place(seen: Visit, shop: Served, name: str) -> None:
    found = shop.client.get("/search", params={"q": "registry:hostile", "limit": 50}).json()["hits"]
    (ref,) = (hit["ref"] for hit in found if hit["model"] == name)
    seen.look(390, "light")
    for area in ("models", "versions", "impact"):
        assert seen.go(f"/{area}/{quote(ref, safe='/:@')}") == 200
        assert seen.page.evaluate("window.hacked") is None
        assert seen.page.locator("a[href^='javascript:']").count() == 0
        assert seen.page.locator("main :is(script, iframe, object, embed)").count() == 0
        assert not seen.overflows(), area


def test_everything_hostile_in_a_list_is_inert(seen: Visit) -> None:
    seen.look(390, "light")
    for path in ("/?q=registry:hostile", "/registries", "/insights/orphans", "/production"):
        seen.go(path)
        assert seen.page.evaluate("window.hacked") is None
        assert not seen.overflows(), path


def test_the_keyboard_goes_everywhere(seen: Visit) -> None:
    seen.go("/registries")
    seen.page.keyboard.press("/")
    assert seen.page.evaluate("document.activeElement.id") == "find"
    seen.page.keyboard.type("fraud stage:production")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/?q=fraud**")
    seen.settle()
    seen.page.keyboard.press("j")
    seen.page.keyboard.press("j")
    assert "at" in (seen.page.locator(".hit").nth(1).get_attribute("class") or "")
    seen.page.keyboard.press("k")
    first = seen.page.locator("a[data-hit]").first.inner_text()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**/models/**")
    seen.settle()
    assert first in seen.page.inner_text("h1")
    seen.page.keyboard.press("?")
    assert seen.page.locator("#help").is_visible()
    seen.page.keyboard.press("Escape")
    assert not seen.page.locator("#help").is_visible()


def test_results_and_suggestions_come_while_typing(seen: Visit) -> None:
    seen.go("/")
    seen.page.fill("#q", "stage:prod")
    seen.page.wait_for_selector("#suggestions li")
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url("**q=stage%3Aproduction**")
    seen.page.wait_for_selector(".facets a[aria-current]")
    assert seen.page.locator(".hit .stage-production").count() > 5


@pytest.mark.parametrize("path", ["/impact/search/encoder:3?action=archive", "/graph/search/encoder:3"])
def test_what_the_keyboard_reaches_in_a_graph_is_inside_of_what_is_seen(seen: Visit, path: str) -> None:
    seen.look(390, "light")
    seen.go(path)
    seen.page.locator("svg .node a").first.focus()
    seen.page.keyboard.press("Shift+Tab")
    seen.page.keyboard.press("Tab")
    reached, hidden = 0, []
    while found := seen.page.evaluate(REACHED):
        reached += 1
        hidden += [] if found["whole"] else [found["text"]]
        seen.page.keyboard.press("Tab")
    assert reached > 10
    assert hidden == []


def test_a_graph_can_be_zoomed_and_walked(seen: Visit) -> None:
    seen.go("/impact/search/encoder:3?action=archive")
    seen.page.wait_for_selector(".drawing svg[data-on]")
    before = seen.page.get_attribute(".drawing svg", "viewBox")
    seen.page.click("[data-by='1.3']")
    assert seen.page.get_attribute(".drawing svg", "viewBox") != before
    seen.page.click("[data-by='0']")
    seen.page.locator(".drawing .node a").nth(2).click()
    seen.page.wait_for_url("**/impact/**action=archive**")


def test_a_chart_tells_the_value_under_the_pointer_and_by_the_keyboard(seen: Visit) -> None:
    seen.go("/models/fraud/card-fraud-scorer")
    figure = seen.page.locator("figure", has_text="auc")
    chart, said = figure.locator("svg"), figure.locator("output")
    assert said.inner_text() == "0.961 in version 4"
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    seen.page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2)
    assert said.inner_text() == "0.947 in version 2, 0.013 more than in 1"
    seen.page.mouse.move(0, 0)
    assert said.inner_text() == "0.961 in version 4"
    chart.focus()
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("ArrowRight")
    assert chart.get_attribute("aria-valuetext") == "0.947 in version 2, 0.013 more than in 1"


def test_versions_are_chosen_on_their_models_page_and_sorted_by_a_metric_without_scripts(
    plain: Visit,
) -> None:
    plain.go("/models/fraud/card-fraud-scorer")
    for number in ("1", "3", "4"):
        plain.page.get_by_role("checkbox", name=f"Choose version {number} to compare").check()
    plain.page.get_by_role("button", name="Compare the chosen").click()
    first = plain.page.locator("section", has=plain.page.locator("#h-metrics")).locator("tbody th").first
    for sorted_by, best in (
        ("auc", "fraud/card-fraud-scorer:4"),
        ("latency_ms", "fraud/card-fraud-scorer:3"),
    ):
        plain.page.get_by_role("link", name=sorted_by, exact=True).click()
        plain.page.wait_for_url(f"**sort=**{sorted_by}**")
        assert first.inner_text() == best


def test_a_graph_is_opened_node_by_node_without_scripts(plain: Visit) -> None:
    plain.go("/graph/fraud/merchant-embedder:2")
    picture = plain.page.locator(".picture")
    assert "search/encoder:3" in picture.inner_text()
    assert "dataset:gs" not in picture.inner_text()
    picture.locator("a", has_text="+ 4").click()
    plain.page.wait_for_url("**?open=search**")
    assert "dataset:gs" in picture.inner_text()
    plain.page.get_by_role("link", name="Close search/encoder:3").click()
    plain.page.wait_for_url("**/merchant-embedder:2?")
    assert "dataset:gs" not in picture.inner_text()


def test_a_comment_is_made_on_a_versions_page_without_scripts(plain: Visit) -> None:
    plain.go("/versions/fraud/card-fraud-scorer:2")
    words = "scores <b>night</b> payments too high"
    plain.page.get_by_label("What others should know of this version").fill(words)
    plain.page.get_by_role("button", name="Comment", exact=True).click()
    plain.page.wait_for_url("**#h-comments")
    assert words in plain.page.inner_text("ol.said")

"""Every page that the gateway has a route for: accessible, and no wider than its window whatever things are called."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext

from gateway.pages import site
from tests.gateway.served import Served
from tests.patience import until
from tests.ui.browser import Visit, visit
from tests.ui.conftest import open_shop
from tests.ui.plugins.shop import LONG, LONGEST
from tests.ui.test_pages import LOOKS, PAGES, PAPER

PARTS = {
    "/drawing/{ref:path}",
    "/badge/{ref:path}",
    "/syncs/{sync_id:int}/progress",
    "/changes.atom",
    "/inbox.atom",
}
"""Routes that answer with a part of a page, a picture or a feed."""
MODEL = f"{LONGEST}/{LONG}"
FIRST, SECOND = (f"{MODEL}:{number * 90}" for number in "12")


PRINTED = ("/versions/", "/models/", "/audit", "/production", "/impact/", "/promotions", "/policies")
"""What people who audit print."""


def on_paper(seen: Visit) -> bool:
    """Whether a page is wider than paper."""
    seen.page.emulate_media(media="print")
    seen.page.set_viewport_size({"width": PAPER, "height": 1000})
    is_wide = seen.overflows()
    seen.page.emulate_media(media="screen")
    return is_wide


def routes() -> set[str]:
    """The pages that the route table has."""
    paths = {path for one in site.HANDLERS if "GET" in one.http_methods for path in one.paths}
    return {path for path in paths if not path.endswith((".json", ".csv"))} - PARTS


def is_at(address: str, route: str) -> bool:
    """Whether a page's address is one of this route."""
    parts = re.split(r"(\{\w+:\w+\})", route)
    kinds = {"path": ".+", "int": "[0-9]+", "str": "[^/]+"}
    pattern = "".join(
        kinds[part[1:-1].split(":")[1]] if part[:1] == "{" else re.escape(part) for part in parts
    )
    return re.fullmatch(pattern, address.partition("?")[0]) is not None


@dataclass
class Longest:
    """A gateway in which all is called something long, and the addresses of all of its pages."""

    gateway: Served
    made: tuple[str, ...] = ()
    """Pages of what was made there: an operation, a webhook, a promotion, a run."""
    pages: list[str] = field(init=False)

    def __post_init__(self) -> None:
        model, first, second = (quote(one) for one in (MODEL, FIRST, SECOND))
        self.pages = [
            "/", f"/?q={LONG}", "/?q=stage:production&group=version", f"/?q={LONG}x+{LONG}y", "/search",
            f"/models/{model}", f"/versions/{first}", f"/versions/{second}", f"/similar/{second}",
            f"/diff?left={first}&right={second}", f"/compare?ref={first}&ref={second}",
            f"/graph/{second}", f"/impact/{first}?action=archive", f"/impact?dataset={LONG}0",
            "/registries", f"/registries/{LONGEST}", "/team", f"/team?team={quote(LONG)}",
            "/insights", "/insights/most-depended-on", "/insights/orphans", "/production",
            "/audit", f"/audit?ref={second}", "/audit/3", "/bulk", f"/bulk?q=registry:{LONGEST}",
            f"/change/{second}?what=alias&name={LONG}0&value={'1' * 90}", "/operations", "/promotions", "/policies",
            "/retention", f"/rollback/{model}", f"/promote/{first}?to=staging", "/changes", "/inbox", "/webhooks",
            "/account", "/tokens", "/grants", "/principals", "/sessions", f"/searches?q={LONG}", "/health",
            f"/models/{LONGEST}/{LONG}x", *self.made,
        ]  # fmt: skip


@pytest.fixture(scope="module")
def longest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Longest]:
    """A gateway in which something of everything was made, under the longest names."""
    folder = tmp_path_factory.mktemp("longest")
    with open_shop(folder, teams={LONGEST: LONG, "search": "discovery"}) as gateway:
        api = gateway.client

        def made(path: str, **body: Any) -> str:
            answer = api.post(path, json=body)
            assert answer.is_success, answer.text
            return str((answer.json().get("webhook") or answer.json())["id"])

        until(lambda: api.get("/search", params={"q": LONG}).json()["total"] > 0, "the index has them")
        hook = made("/webhooks", name=LONG[:100], url=f"https://hooks.example/{LONG}")
        run = made(f"/registries/{LONGEST}/sync")
        promotion = made("/promotions", ref="search/encoder:2", to="production", reason=LONG)
        moved = api.put(f"/models/{quote(MODEL)}/aliases/{LONG}", json={"version": "1" * 90})
        assert moved.status_code == 202, moved.text
        made("/searches", name=LONG[:80], q=LONG)
        pages = (
            f"/webhooks/{hook}",
            f"/syncs/{run}",
            f"/promotions/{promotion}",
            f"/operations/{moved.json()['id']}",
        )
        until(
            lambda: api.get(pages[-1]).json()["state"] not in ("waiting", "running"), "the operation is done"
        )
        yield Longest(gateway, pages)


@pytest.fixture
def seen_longest(screen: BrowserContext, longest: Longest) -> Iterator[Visit]:
    with visit(screen, longest.gateway.url) as made:
        yield made


def test_every_route_of_a_page_is_looked_at(longest: Longest) -> None:
    missing = [route for route in routes() if not any(is_at(one, route) for one in longest.pages)]
    assert missing == ["/searches/{name:str}"], "which leads to the page of a search"
    unread = [route for route in routes() if not any(is_at(one, route) for one in (*PAGES, *longest.made))]
    assert set(unread) == {"/searches/{name:str}", "/search"}, "which is the first page under another name"


def test_no_page_is_wider_than_its_window_whatever_things_are_called(
    seen_longest: Visit, longest: Longest
) -> None:
    wide, shown, raw = [], 0, []
    for path in longest.pages:
        seen_longest.look(390, "light")
        status = seen_longest.go(path)
        assert status == (404 if path.startswith(f"/models/{LONGEST}/{LONG}x") else 200), path
        shown += LONG in seen_longest.page.content()
        wide += [path] if seen_longest.overflows() else []
        raw += [path] if "`" in seen_longest.page.inner_text("main") else []
        if path == "/insights":  # as over so many models that the lists are being counted
            seen_longest.page.evaluate(
                "document.querySelector('#insights').setAttribute('aria-busy', 'true')"
            )
            wide += [f"{path}, while they are counted"] if seen_longest.overflows() else []
        seen_longest.look(1440, "light")
        wide += [f"{path} on a wide screen"] if seen_longest.overflows() else []
        if path.startswith(PRINTED):
            wide += [f"{path} on paper"] if on_paper(seen_longest) else []
    assert (wide, raw) == ([], []), "no page shows code between backticks"
    assert shown > 30, "they are about what has long names"


def test_tables_of_long_names_need_no_scrolling_on_a_wide_screen(
    seen_longest: Visit, longest: Longest
) -> None:
    areas = ("/impact", "/compare", "/diff", "/production", "/insights/", "/operations", "/change")
    scrolling = []
    for path in longest.pages:
        if path.startswith(areas):
            seen_longest.go(path)
            scrolling += [path] if seen_longest.page.locator("[data-scrolls]:has(table)").count() else []
    seen_longest.look(1280, "light")
    for path in ("/registries", f"/versions/{quote(FIRST)}"):
        seen_longest.go(path)
        scrolling += [path] if seen_longest.page.locator("[data-scrolls]:has(table)").count() else []
    assert scrolling == []


def test_pages_of_what_was_made_are_accessible(seen_longest: Visit, longest: Longest) -> None:
    wrong = []
    for place, path in enumerate(longest.made):
        seen_longest.look(*LOOKS[0][place % 2])
        assert seen_longest.go(path) == 200
        wrong += [f"{path}: {one}" for one in seen_longest.axe()]
    assert wrong == []

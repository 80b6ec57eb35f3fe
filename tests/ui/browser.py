"""A real browser for the tests: Debian's Chromium, driven by Playwright; what it must never do is noted."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.patience import until

AXE = Path(__file__).with_name("axe") / "axe.min.js"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATIENCE = 60_000
"""Milliseconds that a busy machine may take for one step: a wait ends as soon as what it waits for is there."""
Theme = Literal["light", "dark"]
SETTLED = """() => document.readyState === "complete"
  && [...document.querySelectorAll("[data-drawing]")].every((el) => el.querySelector("svg[data-on], .mistake"))
  && [...document.querySelectorAll("[data-chart]")].every((el) => el.hasAttribute("aria-valuenow"))
  && [...document.querySelectorAll("[data-proof]")].every((el) => el.querySelector(".good, .mistake"))"""
"""Whether everything that a page fetches or draws by itself is there."""
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
HEIGHT = 900
FIND = """async (rules) => (await axe.run(document, { runOnly: rules, resultTypes: ["violations"] })).violations.map(
  (one) => ({ id: one.id, nodes: one.nodes.map((node) => ({ html: node.html, why: node.any[0]?.message ?? "" })) }))"""
CLICKS = """addEventListener("click", (event) => {
  if (event.isTrusted) sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1;
}, true);"""
"""Counts the clicks of this tab, over all its pages; so does what a key does in the place of a click."""
BLANK = """() => [...document.querySelectorAll(".cards td[data-label]")].filter((cell) => cell.offsetParent &&
  getComputedStyle(cell, "::before").content !== "none" && !cell.innerText.trim() && !cell.querySelector("input, svg"))
  .map((cell) => cell.dataset.label)"""
SHIFTS = """
window.shifted = 0;
window.moved = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) {
    window.shifted += one.value;
    for (const { node, previousRect: was, currentRect: is } of one.sources)
      window.moved.push(`${node?.nodeName}.${node?.className} ${was.y}+${was.height} to ${is.y}+${is.height}`);
  }
}).observe({ type: "layout-shift", buffered: true });
"""


def chromium() -> str | None:
    """The browser, from `WAYPOST_CHROMIUM` or the path."""
    named = os.environ.get("WAYPOST_CHROMIUM")
    return (
        named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield running
        finally:
            running.close()


@dataclass
class Visit:
    """A page of the gateway in the browser, and what went wrong there."""

    page: Page
    url: str
    scripts: bool = True
    wrong: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.on("console", lambda one: self._note(one.text) if one.type == "error" else None)
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("request", lambda request: self._follow(request.url))

    def _note(self, text: str) -> None:
        if not any(part in text for part in self.expected):
            self.wrong.append(text)

    def _follow(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.url).netloc and urlsplit(url).scheme not in (
            "data",
            "blob",
            "about",
        ):
            self.wrong.append(f"a request to {url}")

    def begin(self) -> None:
        """Be as a new page is."""
        self.wrong.clear()
        self.expected = ()
        self.look(1440, "light")

    def leave(self) -> None:
        """Let go of what is shown; what it does in its last moment is noted still."""
        self.page.unroute_all()
        self.page.goto("about:blank")

    def go(self, path: str) -> int:
        """Open a page and wait until all that it shows by itself is there; its status."""
        answer = self.page.goto(self.url + path)
        assert answer is not None
        self.settle()
        return answer.status

    def settle(self) -> None:
        """Wait until all that the page shows by itself is there."""
        if self.scripts:
            self.page.wait_for_function(SETTLED)

    @contextmanager
    def journey(self, path: str, most: int) -> Iterator[None]:
        """Something that begins on a page and takes at most so many clicks."""
        self.go(path)
        self.page.evaluate("sessionStorage.clicks = 0")
        yield
        clicks = self.page.evaluate("Number(sessionStorage.clicks)")
        assert 0 < clicks <= most, f"{clicks} clicks"

    def go_until(self, path: str, holds: Callable[[Page], bool]) -> None:
        """Open a page again and again, until it shows what the gateway takes a second to notice."""

        def there() -> bool:
            self.go(path)
            return holds(self.page)

        until(there, f"{path} shows it")

    def look(self, width: int, theme: Theme) -> None:
        """Show the same page in another size or theme."""
        self.page.emulate_media(color_scheme=theme)
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.evaluate(PAINTED)

    def axe(self, *rules: str) -> list[str]:
        """What is not accessible: by all rules, or by these."""
        if not self.page.evaluate("typeof axe !== 'undefined'"):
            self.page.evaluate(AXE.read_text())
        found: list[dict[str, Any]] = self.page.evaluate(FIND, list(rules) or RULES)
        return [f"{one['id']}: {node['html'][:160]} {node['why']}" for one in found for node in one["nodes"]]

    def overflows(self) -> bool:
        """Whether the page is wider than its window."""
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
        return wide

    def blank(self) -> list[str]:
        """The labels of cells that are shown with nothing behind them."""
        found: list[str] = self.page.evaluate(BLANK)
        return found

    def shifted(self) -> float:
        """How much the layout has moved by itself (0 is still)."""
        moved: float = self.page.evaluate("window.shifted")
        return moved

    def moved(self) -> str:
        """What has moved by itself, from where to where."""
        return "; ".join(self.page.evaluate("window.moved"))


@contextmanager
def window(running: Browser, *, scripts: bool = True) -> Iterator[BrowserContext]:
    """A window with a memory of its own: what one page has loaded, the next need not."""
    context = running.new_context(
        viewport={"width": 1440, "height": HEIGHT},
        java_script_enabled=scripts,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
        locale="en-GB",
    )
    context.set_default_timeout(PATIENCE)
    context.set_default_navigation_timeout(PATIENCE)
    if scripts:
        context.add_init_script(SHIFTS)
        context.add_init_script(CLICKS)
    try:
        yield context
    finally:
        context.close()


@contextmanager
def visit(context: BrowserContext, url: str, *, scripts: bool = True) -> Iterator[Visit]:
    """A new page in a window, 1440 pixels wide and light."""
    page = context.new_page()
    try:
        yield Visit(page, url, scripts)
    finally:
        page.close()

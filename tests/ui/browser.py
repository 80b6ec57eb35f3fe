"""A real browser for the tests: Debian's Chromium, driven by Playwright; what it must never do is noted."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

AXE = Path(__file__).with_name("axe") / "axe.min.js"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATIENCE = 30_000
"""Milliseconds that a busy machine may take for one step."""
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
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
    wrong: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)
        self.page.add_init_script(SHIFTS)
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

    def go(self, path: str) -> int:
        """Open a page and wait until it is quiet; its status."""
        answer = self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")
        assert answer is not None
        return answer.status

    def axe(self) -> list[str]:
        """What is not accessible."""
        if not self.page.evaluate("typeof axe !== 'undefined'"):
            self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = self.page.evaluate(
            "(tags) => axe.run(document, { runOnly: tags, resultTypes: ['violations'] })", RULES
        )
        return [
            f"{one['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def overflows(self) -> bool:
        """Whether the page is wider than its window."""
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
        return wide

    def shifted(self) -> float:
        """How much the layout has moved by itself (0 is still)."""
        moved: float = self.page.evaluate("window.shifted")
        return moved


@contextmanager
def visit(
    running: Browser, url: str, *, width: int = 1440, theme: str = "light", scripts: bool = True
) -> Iterator[Visit]:
    """A fresh window, with nothing in its memory."""
    context = running.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,  # type: ignore[arg-type]
        java_script_enabled=scripts,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
        locale="en-GB",
    )
    try:
        yield Visit(context.new_page(), url)
    finally:
        context.close()

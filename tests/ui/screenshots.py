"""The pictures of the README, made anew from the running demo: `python -m tests.ui.screenshots`."""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.servers.demo import ready_demo
from tests.ui.browser import browser, chromium

FOLDER = Path(__file__).parents[2] / "config" / "pictures"
COLOURS = 96
PICTURES = {
    "search.png": "/?q=fraud+stage:production",
    "impact.png": "/impact/search/encoder:3?action=archive",
}


def reduce(picture: Path) -> None:
    """Keep as many colours as a page has."""
    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)


def main() -> int:
    """Start the demo, take each picture, end everything."""
    if chromium() is None:
        sys.stderr.write("no browser is installed: `make test-ui` installs one\n")
        return 1
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, ready_demo(Path(folder)) as demo, browser() as running:
        page = running.new_page(viewport={"width": 1080, "height": 720}, reduced_motion="reduce")
        for name, path in PICTURES.items():
            page.goto(demo.url + path)
            page.wait_for_load_state("networkidle")
            page.evaluate("document.activeElement.blur()")
            page.screenshot(path=str(FOLDER / name))
            reduce(FOLDER / name)
            sys.stdout.write(f"{FOLDER / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

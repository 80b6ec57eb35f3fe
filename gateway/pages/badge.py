"""`/badge/{ref}.svg`: how a model or version stands, as a picture for a README."""

from html import escape
from typing import Any

from litestar import Response
from litestar.params import FromPath

from gateway.api.formats import INERT
from gateway.api.requests import GivenView, GivenWaypost
from gateway.pages.page import pages_at
from gateway.pages.words import inert
from gateway.parameters import read_reference

COLOURS = {"production": "#1a7f37", "staging": "#9a6700", "archived": "#57606a"}
OTHER = "#57606a"
WIDTH, PADDING, LONGEST = 6.6, 12, 60
"""Of a letter and around a text, in pixels; and how many letters are shown."""
NONE = "nothing in production"


@pages_at("/badge/{ref:path}")
def badge(ref: FromPath[str], waypost: GivenWaypost, view: GivenView) -> Response[Any]:
    """The name beside the stage; of a whole model, which version is in production."""
    reference = read_reference(ref.removesuffix(".svg"))
    if reference.version is reference.alias is reference.stage is None:
        model = waypost.catalogue.model(view, reference)
        held = next((one for one in model.versions if one.stage == "production"), None)
        name, colour = model.reference.model, COLOURS["production"] if held else OTHER
        said = f"production {held.version}" if held else NONE
    else:
        version = waypost.catalogue.version(view, reference)
        name, said = f"{version.model} {version.record.version}", version.stage
        colour = COLOURS.get(said, OTHER)
    headers = {**INERT, "Cache-Control": "private, max-age=60", "Vary": "Cookie, Authorization"}
    return Response(drawn(name, said, colour), media_type="image/svg+xml", headers=headers)


def drawn(name: str, said: str, colour: str) -> str:
    """Two texts beside each other, as SVG."""
    left, right = (str(inert(text))[:LONGEST] for text in (name, said))
    first, second = (round(len(text) * WIDTH) + PADDING for text in (left, right))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{first + second}" height="20" role="img" '
        f'aria-label="{escape(f"{left}: {right}")}"><title>{escape(f"{left}: {right}")}</title>'
        f'<rect width="{first + second}" height="20" rx="3" fill="{colour}"/>'
        f'<path d="M3 0h{first - 3}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="#24292f"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{first / 2:g}" y="14">{escape(left)}</text>'
        f'<text x="{first + second / 2:g}" y="14">{escape(right)}</text></g></svg>'
    )

"""One scan: all that is linked, then the collections with its aliases, then the links again as versions.

Everything is listed each time, a hundred in a request: an alias that moves shows in nothing but itself.
"""

from collections.abc import Generator

from adapters.payloads import Raw
from adapters.records import Listing, Watermark
from adapters.scanning import Ahead, Found, attempt
from adapters.wandb.client import COLLECTIONS, LINKS, WandbClient
from adapters.wandb.records import aliases_of, to_model, to_version

WATERMARK = "all"


def found(api: WandbClient) -> Generator[Found, None, Watermark]:
    """What is there, one thing after another. Errors: any `AdapterError`."""
    links: list[Raw] = []
    for page in Ahead(api.listed(LINKS)).awaited():
        if page is None:
            yield None
        else:
            links += page
    aliases = aliases_of(links)
    for page in Ahead(api.listed(COLLECTIONS)).awaited():
        for raw in page or ():
            yield attempt(to_model, raw, aliases.get(str(raw.get("id")), {}))
        if page is None:
            yield None
    yield Listing("model")
    for raw in links:
        yield attempt(to_version, api.config, raw)
    yield Listing("version")
    return WATERMARK

"""Every page there is."""

from typing import Any

from gateway.pages import impact, insights, model, registries, search, version

HANDLERS: list[Any] = [
    *search.HANDLERS,
    *model.HANDLERS,
    *version.HANDLERS,
    *impact.HANDLERS,
    *registries.HANDLERS,
    *insights.HANDLERS,
]

"""Every route under `/api/v1` there is."""

from typing import Any

from gateway.api import (
    access,
    audit,
    cards,
    custody,
    events,
    graph,
    history,
    hooks,
    models,
    operations,
    principals,
    promotions,
    records,
    registries,
    retention,
    search,
    searches,
    snippets,
    webhooks,
    witness,
)

HANDLERS: list[Any] = [
    *registries.HANDLERS,
    *records.HANDLERS,
    *retention.HANDLERS,
    *models.HANDLERS,
    *search.HANDLERS,
    *searches.HANDLERS,
    *graph.HANDLERS,
    *operations.HANDLERS,
    *promotions.HANDLERS,
    *audit.HANDLERS,
    *access.HANDLERS,
    *principals.HANDLERS,
    *witness.HANDLERS,
    *custody.HANDLERS,
    *history.HANDLERS,
    *snippets.HANDLERS,
    *cards.HANDLERS,
    *events.HANDLERS,
    *webhooks.HANDLERS,
    *hooks.HANDLERS,
]

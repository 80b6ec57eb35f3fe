"""The list of all pages."""

from typing import Any

from gateway.pages import (
    account,
    audit,
    badge,
    change,
    changes,
    health,
    impact,
    insights,
    model,
    policies,
    principals,
    production,
    promotions,
    registries,
    retention,
    search,
    searches,
    team,
    version,
    webhooks,
)

HANDLERS: list[Any] = [
    *search.HANDLERS,
    *searches.HANDLERS,
    *model.HANDLERS,
    *version.HANDLERS,
    *impact.HANDLERS,
    *registries.HANDLERS,
    *retention.HANDLERS,
    *insights.HANDLERS,
    *production.HANDLERS,
    *audit.HANDLERS,
    *badge.HANDLERS,
    *team.HANDLERS,
    *change.HANDLERS,
    *promotions.HANDLERS,
    *policies.HANDLERS,
    *account.HANDLERS,
    *principals.HANDLERS,
    *health.HANDLERS,
    *changes.HANDLERS,
    *webhooks.HANDLERS,
]

"""`/health`: how each part of the gateway stands."""

from typing import Any

from litestar import Response

from federation.access import Permission
from federation.health import PARTS
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost
from gateway.outlook import table
from gateway.pages.page import form_of, listed, page, pages_at


@pages_at("/health", "/health.json", "/health.csv")
def health_page(request: AnyRequest, waypost: GivenWaypost, principal: GivenPrincipal) -> Response[Any]:
    """What `/health/ready` says, and to operators why it is so and what to do."""
    tells = principal.may(Permission.GRANT)
    rows = [
        {
            "part": part.name,
            "does": PARTS[part.name].does,
            "state": part.state,
            "reason": part.reason if tells else part.people,
            "remedy": part.remedy if tells else "",
            "last_success_at": part.last_success_at,
        }
        for part in table(waypost)
    ]
    if form_of(request) != "html":
        return listed(request, "", {"parts": rows}, rows, title="Health")
    return page(request, "health.html", title="Health", rows=rows)

"""`/health`: how each part of the gateway stands."""

from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency

from federation.access import Permission, Principal
from federation.health import PARTS
from gateway.outlook import table
from gateway.pages.page import form_of, listed, page, pages_at
from gateway.waypost import Waypost


@pages_at("/health", "/health.json", "/health.csv")
def health_page(
    request: Request[Any, Any, Any], waypost: NamedDependency[Waypost], principal: NamedDependency[Principal]
) -> Response[Any]:
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


HANDLERS = [*health_page]

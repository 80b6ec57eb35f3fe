"""`/policies`: what guards which stage, and what would be kept back from there."""

from typing import Any

from litestar import Response
from litestar.params import FromQuery

from federation.access import Permission
from federation.references import STAGES
from gateway.api.promotions_out import policy_out, survey_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost
from gateway.meant import place_meant
from gateway.pages.page import page, pages_at
from gateway.parameters import read_reference

AT_ONCE = 200
"""Versions that are looked at for one page."""


@pages_at("/policies")
def policies_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    to: FromQuery[str] = "",
    under: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
) -> Response[Any]:
    """The policies in words; with a stage also every version that they keep back from it."""
    view = principal.view
    after = read_reference(cursor) if cursor else None
    place = place_meant(waypost, view, under.strip())
    surveyed = survey_out(to, *waypost.promotions.survey(view, to, place, after, AT_ONCE)) if to else None
    return page(
        request,
        "policies.html",
        title="Policies",
        policies=[policy_out(one) for one in waypost.policies.standing(view)],
        unsatisfiable=waypost.promotions.unsatisfiable() if principal.may(Permission.GRANT) else (),
        surveyed=surveyed,
        to=to,
        under=under,
        stages=STAGES[1:],
    )

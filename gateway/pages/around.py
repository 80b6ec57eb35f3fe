"""`/graph/{ref}`: what a version needs and what needs it, as one drawing that is opened node by node."""

from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Response
from litestar.params import FromPath, FromQuery, QueryParameter
from markupsafe import Markup

from federation.graph.graph import DrawingError, svg
from gateway.api.requests import AnyRequest, GivenView, GivenWaypost
from gateway.pages.page import page, pages_at
from gateway.pages.words import path
from gateway.parameters import read_reference

MOST = 40
"""Nodes that are opened at once; of more, the last."""


@pages_at("/graph/{ref:path}")
def graph_page(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    opened: Annotated[list[str] | None, QueryParameter(name="open")] = None,
    whole: FromQuery[bool] = False,
) -> Response[Any]:
    """Drawn by the gateway, so that it is seen without scripts as well; what is opened stands in the address."""
    found = waypost.catalogue.version(view, read_reference(ref))
    chosen = list(dict.fromkeys(opened or ()))[-MOST:]
    own = path(str(found.reference), "graph")
    drawn = waypost.graph.around(
        view, found.reference, opened=chosen, whole=whole, page="/versions/",
        opens=lambda name: f"{own}?{urlencode([('open', one) for one in [*chosen, name]])}",
    )  # fmt: skip
    picture, mistake = "", ""
    try:
        picture = svg(drawn.dot)
    except DrawingError as error:
        mistake = str(error)
    return page(
        request,
        "graph.html",
        status=503 if mistake else 200,
        title=f"Graph of {drawn.ref}",
        drawn=drawn,
        version=found.record.version,
        picture=Markup(picture),  # noqa: S704  of Graphviz, which escapes every name
        mistake=mistake,
        whole=whole,
        without=lambda name: urlencode([("open", one) for one in chosen if one != name]),
    )

"""`/compare`: two to eight versions beside each other, metrics first, sorted by one of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Response
from litestar.params import FromQuery, QueryParameter

from federation.access import View
from federation.errors import UnknownError
from federation.references import ReferenceSyntaxError
from gateway.api.comparison_out import FEWEST, MOST, ComparedOut, ComparisonOut, comparison_out
from gateway.api.requests import AnyRequest, GivenView, GivenWaypost
from gateway.meant import candidates, reference_meant
from gateway.pages.beside import in_words, is_falling
from gateway.pages.page import form_of, list_at, listed
from gateway.problems import ProblemError
from gateway.waypost import Waypost

SomeReferences = Annotated[list[str] | None, QueryParameter(name="ref")]


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """A metric with what sorts by it: the best first, or turned around. `best` is the best value."""

    name: str
    sort: str
    direction: str
    best: float


@list_at("/compare")
def compare_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    view: GivenView,
    refs: SomeReferences = None,
    sort: FromQuery[str] = "",
) -> Response[Any]:
    """Versions that are named by `ref`, each by one of its own; empty ones do not count."""
    asked = list(dict.fromkeys(text.strip() for text in refs or () if text.strip()))
    found: ComparisonOut | None = None
    mistake, meant = "", list[str]()
    if len(asked) >= FEWEST or form_of(request) != "html":
        try:
            found = comparison_out(waypost, view, asked, sort)
        except (ReferenceSyntaxError, UnknownError, ProblemError) as error:
            if form_of(request) != "html":
                raise
            wrong = [text for text in asked[:MOST] if not _is_known(waypost, view, text)]
            mistake = f"{', '.join(wrong)}: {error}" if wrong else str(error)
            meant = [near for text in wrong for near in candidates(waypost, view, text)]
    return listed(
        request,
        "compare.html",
        found,
        [_row(one) for one in found.versions] if found else [],
        title="Compare versions",
        asked=asked,
        found=found,
        columns=columns(found, sort) if found else [],
        fields=in_words(found.fields) if found else {},
        sort=sort,
        room=max(0, MOST - len(asked)),
        mistake=mistake,
        candidates=meant,
    )


def columns(found: ComparisonOut, sort: str) -> list[MetricColumn]:
    """The metrics, what each is sorted by next, and how it is sorted now."""
    made = []
    for name in found.metrics:
        values = [one.metrics[name] for one in found.versions if name in one.metrics]
        falling = is_falling(name)
        best, turned = (name, f"-{name}") if falling else (f"-{name}", name)
        now = {name: "ascending", f"-{name}": "descending"}.get(sort, "none")
        made.append(
            MetricColumn(name, turned if sort == best else best, now, min(values) if falling else max(values))
        )
    return made


def _is_known(waypost: Waypost, view: View, text: str) -> bool:
    try:
        waypost.catalogue.version(view, reference_meant(waypost, view, text))
    except (ReferenceSyntaxError, UnknownError, ProblemError):
        return False
    return True


def _row(one: ComparedOut) -> Mapping[str, Any]:
    return {"ref": one.ref, "stage": one.stage, "team": one.team, **one.metrics}

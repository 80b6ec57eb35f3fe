"""`/models/{ref}`: one model with its versions, its history, and how to load it."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from litestar import Response
from litestar.params import FromPath, FromQuery

from federation.access import Principal, View
from federation.catalogue.catalogue import Model
from federation.errors import UnknownError
from federation.graph.graph import DamagedError, ImpactAnswer, ImpactQuestionError, Question
from federation.references import Reference, parse
from federation.search.answer import Freshness
from gateway.api.history_out import SpanOut, timeline_out
from gateway.api.out import ModelOut, SnippetsOut, VersionSummaryOut, model_out
from gateway.api.requests import AnyRequest, GivenPrincipal, GivenWaypost, OptionalIdent
from gateway.loading import how_to_load
from gateway.pages.chart import Chart, chart
from gateway.pages.markdown import card
from gateway.pages.page import Form, listed, named, pages_at
from gateway.pages.then import then_and_now
from gateway.parameters import read_as_of, read_reference
from gateway.waypost import Waypost

CHARTS = 6
SPANS = 200
"""Stretches of time that a page reads of the history: those that last first, then the newest."""
NEWEST = 25
"""Versions that are always in the table; older ones are folded away, unless they hold a stage or alias."""
FEW = 10
"""So few are not worth folding."""
MOST = 225
"""The newest versions that a page reads, for its charts. As many more that somebody relies on may be older."""
MOST_ROWS = 50
"""Rows of a table, and of what is folded away. A browser takes longer to lay rows out than the gateway to make them."""
COUNT_TO = 100_000
"""Dependents that are counted here. That there are more is said; the page of the impact counts them all."""
COLUMNS = 4
"""Metrics that have a column in the table of versions."""


@pages_at("/models/{ref:path}")
def model_page(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    incarnation: FromQuery[OptionalIdent] = None,
    as_of: FromQuery[str | None] = None,
) -> Response[Any]:
    """Everything about one model. As data: its versions."""
    view = principal.view
    found, form = named(request, ref, lambda text, form: _read(text, form, waypost, view, incarnation))
    model = model_out(found, waypost.freshness.of(view, found.reference.registry))
    reference, time = found.reference, read_as_of(as_of or None)
    timeline = timeline_out(
        waypost.identity, reference, None, waypost.catalogue.timeline(view, reference, most=SPANS)
    )
    then = waypost.catalogue.timeline(view, reference, at=time) if time is not None else None
    chosen = best(model)
    shown, folded = unfolded(model.versions)
    living = chosen is not None and chosen.deleted_at is None and model.deleted_at is None
    return listed(
        request,
        "model.html",
        model,
        model.versions,
        form=form,
        title=model.title or model.model,
        model=model,
        total=found.total,
        trouble=trouble_of(waypost, view, model.registry),
        is_open=form == "html" and waypost.operations.takes(principal, found.registry_id),
        card=card(model.description) if model.description else None,
        chosen=chosen,
        shown=shown,
        folded=folded,
        snippets=snippets_of(waypost, view, chosen.ref, str(request.base_url).rstrip("/"))
        if living and chosen and form == "html"
        else None,
        production=held(timeline.spans, "stage", "production"),
        spans=timeline.spans,
        then=None
        if then is None
        else then_and_now(timeline_out(waypost.identity, reference, time, then).spans, timeline.spans),
        as_of=as_of or "",
        metrics=metrics_of(model),
        charts=charts(model),
        impact=impact_of(waypost, principal, model.ref)
        if form == "html" and model.deleted_at is None
        else None,
    )


def _read(text: str, form: Form, waypost: Waypost, view: View, incarnation: int | None) -> Model:
    """The model, as a page with the versions that are drawn, as data with all of them."""
    newest = MOST if form == "html" else None
    return waypost.catalogue.model(view, read_reference(text), incarnation=incarnation, newest=newest)


def trouble_of(waypost: Waypost, view: View, registry: str) -> Freshness | None:
    """How a registry stands, where that is to be said with what comes from it."""
    found = waypost.freshness.of(view, registry)
    return None if found is None or found.state == "ok" else found


def best(model: ModelOut) -> VersionSummaryOut | None:
    """The version to load: the newest in production, else the newest."""
    living = [one for one in model.versions if one.deleted_at is None] or list(model.versions)
    return next((one for one in living if one.stage == "production"), living[0] if living else None)


def unfolded(
    versions: Sequence[VersionSummaryOut],
) -> tuple[list[VersionSummaryOut], list[VersionSummaryOut]]:
    """The newest versions with those that somebody relies on, and others, each newest first and at most `MOST_ROWS`."""
    counts = [
        place < NEWEST or one.stage in ("production", "staging") or one.deployed or bool(one.aliases)
        for place, one in enumerate(versions)
    ]
    if counts.count(False) < FEW:
        return list(versions)[:MOST_ROWS], []
    pairs = list(zip(counts, versions, strict=True))
    shown = [one for is_shown, one in pairs if is_shown]
    folded = [one for is_shown, one in pairs if not is_shown]
    return shown[:MOST_ROWS], folded[:MOST_ROWS]


def held(spans: Sequence[SpanOut], kind: str, value: str) -> list[SpanOut]:
    """The spans in which something was held, what holds now first, then newest first."""
    found = [span for span in spans if span.kind == kind and span.value == value]
    return sorted(found, key=lambda span: span.ended_by is not None)


def metrics_of(model: ModelOut) -> list[str]:
    """The metrics with columns: those that most versions have."""
    count: dict[str, int] = {}
    for version in model.versions:
        for name in version.metrics:
            count[name] = count.get(name, 0) + 1
    return sorted(count, key=lambda name: (-count[name], name))[:COLUMNS]


def charts(model: ModelOut) -> list[Chart]:
    """Each metric over the newest versions, oldest first, where at least two have it."""
    versions = list(reversed(model.versions[:MOST]))
    names = sorted({name for version in versions for name in version.metrics})
    found = (
        chart(name, [(one.version, one.metrics[name]) for one in versions if name in one.metrics])
        for name in names
    )
    return list(islice((one for one in found if one is not None), CHARTS))


def snippets_of(waypost: Waypost, view: View, ref: str, origin: str) -> SnippetsOut:
    """How to load a version, by its reference."""
    return how_to_load(waypost, waypost.catalogue.version(view, parse(ref)), origin)


def impact_of(waypost: Waypost, principal: Principal, ref: str) -> ImpactAnswer | None:
    """The counts of what a change may touch, or None while there is no graph to ask or no sense in the question."""
    reference: Reference = parse(ref)
    try:
        return waypost.graph.impact(
            principal.view,
            Question(ref=reference),
            limit=5,
            everything=principal.judges_everything,
            count_to=COUNT_TO,
        )
    except (DamagedError, UnknownError, ImpactQuestionError):
        return None

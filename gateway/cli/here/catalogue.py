"""Models and versions, as they are and as they were."""

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from federation.access import LOCAL
from federation.database import now
from gateway.api import history_out, out
from gateway.api.comparison_out import comparison_out
from gateway.api.statements_out import CommentsOut, StatementsOut, comments_out
from gateway.cli.here import Ident, Query, checked, reference_of, time_of
from gateway.cli.local import catch_up
from gateway.likeness import similar
from gateway.loading import how_to_load
from gateway.meant import reference_meant

if TYPE_CHECKING:
    from federation.references import Reference
    from gateway.waypost import Waypost

PAGE = 1000
Few = Annotated[int, msgspec.Meta(ge=1, le=200)]


def answer(waypost: "Waypost", asked: tuple[str, ...], query: Query, body: Any) -> object:
    """What is asked about models and versions. Errors: those of the faces."""
    view, catalogue, time = LOCAL.view, waypost.catalogue, time_of(query)
    match asked:
        case ("GET", "models", *ref):
            life = _incarnation(query)
            model = catalogue.model(view, reference_of(ref), incarnation=life, at=time)
            return out.model_out(model, waypost.freshness.of(view, model.reference.registry))
        case ("GET", "versions", *ref, "statements" | "comments" as what):
            return _said(waypost, reference_meant(waypost, view, "/".join(ref)), what)
        case ("GET", "versions", *ref, "similar"):
            catch_up(waypost, ["search"])
            waypost.reload_search()
            reference = reference_meant(waypost, view, "/".join(ref))
            return similar(waypost, view, reference, checked(Few, query.get("limit", 10), "limit"))
        case ("GET", "versions", *ref):
            life = _incarnation(query)
            found = catalogue.version(view, reference_of(ref), incarnation=life, at=time)
            return out.version_out(found, waypost.freshness.of(view, found.registry))
        case ("GET", "diff" | "comparison" as how):
            return _compared(waypost, how, query)
        case ("GET", "references"):
            typed = query.get("q", "")
            return {"query": typed, "references": catalogue.continued(view, typed)}
        case ("GET", "timeline", *ref):
            reference = reference_of(ref)
            spans = catalogue.timeline(view, reference, at=time)
            return history_out.timeline_out(waypost.identity, reference, time, spans)
        case ("GET", "production"):
            stage, at = query.get("stage", "production"), time or now()
            where = {name: query[name] for name in ("registry", "team") if name in query}
            if query.get("format") == "csv":
                return "".join(
                    history_out.held_csv(waypost.identity, catalogue.every_held(view, stage, at, **where))
                )
            held = catalogue.held(view, stage, at, limit=PAGE, **where)
            return history_out.production_out(waypost.identity, stage, at, held, 0, PAGE)
        case ("GET", "cards", *ref):
            carded = catalogue.version(view, reference_of(ref))
            return out.card_out(carded, catalogue.card(carded, waypost.adapters))
        case ("GET", "snippets", *ref):
            version = catalogue.version(view, reference_of(ref))
            return how_to_load(waypost, version)
    raise LookupError(asked)


def _compared(waypost: "Waypost", how: str, query: Query) -> object:
    view = LOCAL.view
    if how == "comparison":
        return comparison_out(waypost, view, query["ref"], query.get("sort", ""))
    pair = [reference_meant(waypost, view, query[side]) for side in ("left", "right")]
    return out.diff_out(waypost.catalogue.compare(view, *pair))


def _said(waypost: "Waypost", reference: "Reference", what: str) -> object:
    if what == "comments":
        found = waypost.statements.comments(LOCAL.view, reference)
        return CommentsOut(comments_out(waypost.identity, found))
    return StatementsOut(waypost.statements.of(LOCAL.view, reference))


def _incarnation(query: Query) -> int | None:
    return checked(Ident, query["incarnation"], "incarnation") if "incarnation" in query else None

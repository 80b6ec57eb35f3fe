"""Models, versions, their differences and their history."""

from typing import Any

from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from federation.access import Permission, View
from federation.catalogue.diff import diff
from federation.catalogue.lookup import find_or_read_version, find_version
from federation.catalogue.models import read_model
from federation.catalogue.past import read_model_then
from federation.catalogue.reader import read_serving, read_version
from federation.catalogue.timeline import read_timeline
from federation.database import is_embedded, reading
from federation.graph.contracts import compare
from federation.references import Reference
from gateway.api.out import (
    DifferenceOut,
    DiffOut,
    ModelOut,
    TimelineOut,
    VersionOut,
    contract_out,
    model_out,
    span_out,
    version_out,
)
from gateway.api.requests import OptionalIdent, needs, provide_waypost, read_reference, read_time
from gateway.waypost import Waypost

READ: dict[str, Any] = needs(Permission.READ)


@get("/models/{ref:path}", opt=READ, sync_to_thread=True)
def show_model(
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    incarnation: FromQuery[OptionalIdent] = None,
    as_of: FromQuery[str | None] = None,
) -> ModelOut:
    """One model with its versions, newest first. A deleted one answers 410 with what was known, or by
    `incarnation`; `as_of` asks for the versions, stages and aliases of then.
    """
    reference, time = read_reference(ref), read_time(as_of, "as_of")
    with reading(waypost.engine) as connection:
        if time is not None:
            return model_out(read_model_then(connection, view, reference, time))
        return model_out(read_model(connection, view, reference, incarnation=incarnation))


@get("/versions/{ref:path}", opt=READ)
async def show_version(
    request: Request[Any, Any, Any],
    ref: FromPath[str],
    incarnation: FromQuery[OptionalIdent] = None,
    as_of: FromQuery[str | None] = None,
) -> VersionOut:
    """One version, named by version, alias, stage, or (a bare model) the newest. `as_of` asks what it meant then."""
    # Taken from the request itself: as dependencies they would cost as much as the look into the database.
    waypost, view = provide_waypost(request), request.scope["user"].view
    if incarnation is None and as_of is None and is_embedded(waypost.engine):
        # Some microseconds in a file of this machine: a tenth of what a thread would cost.
        found = _find(waypost, view, read_reference(ref))
        if found is not None:
            return found
    return await sync_to_thread(read_out, ref, waypost, view, incarnation, as_of)


def read_out(
    ref: str, waypost: Waypost, view: View, incarnation: int | None = None, as_of: str | None = None
) -> VersionOut:
    """What `show_version` answers."""
    reference, time = read_reference(ref), read_time(as_of, "as_of")
    is_plain = incarnation is None and time is None
    if is_plain and (found := _find(waypost, view, reference)) is not None:
        return found
    with reading(waypost.engine) as connection:
        if is_plain:
            version = find_or_read_version(connection, view, reference)
        else:
            version = read_version(connection, view, reference, incarnation=incarnation, as_of=time)
        serving = read_serving(connection, view, version.id) if version.placed else []
    return version_out(version, serving)


def _find(waypost: Waypost, view: View, reference: Reference) -> VersionOut | None:
    """What nearly everybody asks for, with one statement; None where that does not tell all."""
    version = find_version(waypost.engine, view, reference)
    return None if version is None or version.placed else version_out(version)


@get("/diff", opt=READ, sync_to_thread=True)
def show_diff(
    left: FromQuery[str],
    right: FromQuery[str],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
) -> DiffOut:
    """What differs between two versions, also of different registries, and whether one can stand in for the other."""
    references = read_reference(left), read_reference(right)
    with reading(waypost.engine) as connection:
        one, other = (read_version(connection, view, reference) for reference in references)
    found = {name: DifferenceOut(pair.left, pair.right) for name, pair in diff(one, other).items()}
    contract = contract_out(compare(one.schema, other.schema))
    return DiffOut(str(one.reference), str(other.reference), found, contract)


@get("/timeline/{ref:path}", opt=READ, sync_to_thread=True)
def show_timeline(
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    as_of: FromQuery[str | None] = None,
) -> TimelineOut:
    """Which version held which stage and alias, since when, by whom; with `as_of` only what held at that time."""
    return timeline_out(ref, waypost, view, as_of)


def timeline_out(
    ref: str, waypost: Waypost, view: View, as_of: str | None = None, *, most: int | None = None
) -> TimelineOut:
    """What `show_timeline` answers, at `most` so many spans: those that still hold first, then the newest."""
    reference, time = read_reference(ref), read_time(as_of, "as_of")
    with reading(waypost.engine) as connection:
        spans = read_timeline(connection, view, reference, most=most)
    chosen = [span for span in spans if time is None or span.holds_at(time)]
    return TimelineOut(
        str(reference),
        time,
        [
            span_out(span, str(Reference(reference.registry, reference.model, span.version)))
            for span in chosen
        ],
    )


HANDLERS = [show_model, show_version, show_diff, show_timeline]

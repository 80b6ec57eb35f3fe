"""`/audit`: what happened, with the proof that it stands in the log."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, Parameter

from federation.access import Permission
from federation.journal.journal import Action, JournalFilter, Line, is_cut
from gateway.api.journal_out import proven_out
from gateway.api.out import JournalOut, journal_out
from gateway.api.requests import WANTED, AnyRequest, GivenWaypost, Number
from gateway.names import names_in
from gateway.pages.page import form_of, list_at, listed, page, pages_at
from gateway.parameters import FILTERS
from gateway.waypost import Waypost

PAGE, MOST = 50, 1000
"""Entries of one page, and of a list as JSON or CSV."""
Before = Annotated[int | None, Parameter(ge=0, le=2**62)]


@list_at("/audit", Permission.AUDIT, WANTED)
def audit_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    wanted: NamedDependency[JournalFilter],
    before: FromQuery[Before] = None,
) -> Response[Any]:
    """Entries of the journal, newest first; filters are in the address."""
    form = form_of(request)
    if form != "html":
        every = waypost.journal.entries(wanted, limit=MOST, newest_first=True)
        found = _out(waypost, every, MOST)
        return listed(request, "", found, found.entries, form=form, title="Audit", most=MOST)
    chosen = {name: request.query_params.get(name, "") for name in FILTERS}
    lines = waypost.journal.entries(wanted, before=before, limit=PAGE, newest_first=True)
    found, signed = _out(waypost, lines, PAGE), waypost.journal.signed()
    return page(
        request,
        "audit.html",
        title="Audit",
        entries=found.entries,
        older=found.next_after,
        before=before,
        most=MOST,
        chosen=chosen,
        filtered=any(chosen.values()),
        actions=sorted(str(one) for one in Action),
        size=signed.size,
        note=(signed.note or b"").decode("utf-8", "replace"),
        problem=signed.problem,
        witnesses=waypost.journal.witnesses(),
    )


def _out(waypost: Waypost, lines: Sequence[Line], limit: int) -> JournalOut:
    return journal_out(lines, names_in(waypost.identity, lines), is_cut=is_cut(lines, limit))


@pages_at("/audit/{seq:int}", permission=Permission.AUDIT)
def entry_page(request: AnyRequest, seq: FromPath[Number], waypost: GivenWaypost) -> Response[Any]:
    """One entry: before and after, and its proof, which the page checks by itself."""
    line, proven = waypost.journal.entry(seq)
    found = proven_out(line, proven, names_in(waypost.identity, [line]))
    note, keys = waypost.journal.signed().note, waypost.journal.keys()
    return page(
        request,
        "entry.html",
        title=f"Entry {seq}",
        found=found,
        entry=found.entry,
        meaning=line.recorded.entry.action.meaning,
        changes=changes(found.entry.details),
        more=rest(found.entry.details),
        note=(note or b"").decode("utf-8", "replace"),
        is_last=not waypost.journal.entries(JournalFilter(), after=seq, limit=1),
        origin=keys.origin,
        log_keys=list(keys.keys),
    )


def changes(details: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What was and what is, field by field."""
    before, after = details.get("before"), details.get("after")
    if not isinstance(before, Mapping) and not isinstance(after, Mapping):
        return [] if before is None and after is None else [("", before, after)]
    left = before if isinstance(before, Mapping) else {}
    right = after if isinstance(after, Mapping) else {}
    return [(name, left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]


def rest(details: Mapping[str, Any]) -> dict[str, Any]:
    """Everything an entry says besides before and after."""
    return {name: value for name, value in details.items() if name not in ("before", "after")}

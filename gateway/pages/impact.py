"""`/impact/{ref}`: what breaks and what is affected, before it happens."""

from html import escape
from typing import Any

from litestar import Response, get
from litestar.enums import MediaType
from litestar.params import FromPath, FromQuery

from federation.access import Permission, Principal
from federation.graph.graph import (
    Action,
    Affected,
    DrawingError,
    ImpactAnswer,
    ImpactQuestionError,
    Question,
    svg,
)
from gateway.api.requests import AnyRequest, Depth, GivenPrincipal, GivenView, GivenWaypost, needs
from gateway.pages.page import HEADERS, Form, accepted, listed, named, pages_at
from gateway.parameters import read_reference
from gateway.waypost import Waypost

PAGE = 50
ALL = 20_000
"""The most lines of a CSV."""
ACTIONS = {
    "archive": "archive it",
    "delete": "delete it",
    "move-alias": "move the alias",
    "change": "change it",
}


@pages_at("/impact/{ref:path}")
def impact_page(
    request: AnyRequest,
    ref: FromPath[str],
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    action: FromQuery[Action] = "change",
    to: FromQuery[str | None] = None,
    depth: FromQuery[Depth] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """What happens downstream if a version, alias, stage or model is archived, deleted, moved or changed."""
    asked = ref.removeprefix("/")
    try:
        answer, form = named(
            request,
            ref,
            lambda text, _: _ask(waypost, principal, _about(text), action, to, depth, cursor),
        )
    except ImpactQuestionError as error:
        if accepted(request) != "html":
            raise
        return _shown(request, waypost, principal, None, "html", asked, action, to, depth, cursor, error)
    return _shown(request, waypost, principal, answer, form, asked, action, to, depth, cursor)


@pages_at("/impact", "/impact.json", "/impact.csv")
def source_page(
    request: AnyRequest,
    waypost: GivenWaypost,
    principal: GivenPrincipal,
    dataset: FromQuery[str | None] = None,
    commit: FromQuery[str | None] = None,
    depth: FromQuery[Depth] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """What learned from a dataset, or was made by a commit."""
    if not dataset and not commit:
        return listed(request, "impact_ask.html", {}, [], title="Impact")
    question = Question(dataset=dataset or None, commit=commit or None)
    answer = waypost.graph.impact(
        principal.view,
        question,
        depth=depth,
        limit=PAGE,
        cursor=cursor,
        everything=principal.judges_everything,
    )
    form: Form = (
        "json"
        if request.url.path.endswith(".json")
        else "csv"
        if request.url.path.endswith(".csv")
        else accepted(request)
    )
    return _shown(
        request, waypost, principal, answer, form, "", "change", None, depth, cursor, source=question
    )


def _about(text: str) -> Question:
    return Question(ref=read_reference(text))


def _ask(
    waypost: Waypost,
    principal: Principal,
    question: Question,
    action: Action,
    to: str | None,
    depth: int | None,
    cursor: str | None,
    limit: int = PAGE,
) -> ImpactAnswer:
    return waypost.graph.impact(
        principal.view,
        question,
        action,
        to=to or None,
        depth=depth,
        limit=limit,
        cursor=cursor,
        everything=principal.judges_everything,
    )


def _all(
    waypost: Waypost, principal: Principal, answer: ImpactAnswer, question: Question, action: Action,
    to: str | None, depth: int | None,
) -> list[Affected]:  # fmt: skip
    """Every affected version, page by page."""
    rows = list(answer.affected)
    while answer.next_cursor and len(rows) < ALL:
        answer = _ask(waypost, principal, question, action, to, depth, answer.next_cursor, 200)
        rows += answer.affected
    return rows


def _shown(
    request: AnyRequest,
    waypost: Waypost,
    principal: Principal,
    answer: ImpactAnswer | None,
    form: Form,
    asked: str,
    action: Action,
    to: str | None,
    depth: int | None,
    cursor: str | None,
    mistake: Exception | None = None,
    source: Question | None = None,
) -> Response[Any]:
    if answer is None:
        rows: list[Affected] = []
    elif form == "csv":
        question = source or _about(answer.ref)
        rows = _all(waypost, principal, answer, question, action, to, depth)
    else:
        rows = list(answer.affected)
    return listed(
        request,
        "impact.html",
        answer,
        rows,
        form=form,
        title=f"Impact of {answer.ref if answer else asked}",
        answer=answer,
        ref=answer.ref if answer else asked,
        source=source,
        action=action,
        actions=ACTIONS,
        to=to or "",
        depth=depth,
        cursor=cursor,
        mistake=mistake,
    )


@get("/drawing/{ref:path}", opt=needs(Permission.READ), include_in_schema=False, sync_to_thread=True)
def drawing_part(
    ref: FromPath[str],
    waypost: GivenWaypost,
    view: GivenView,
    action: FromQuery[Action] = "change",
    to: FromQuery[str | None] = None,
    depth: FromQuery[Depth] = None,
) -> Response[str]:
    """The picture of an impact, as a part of its page."""
    text = waypost.graph.drawing(view, _about(ref), action, to=to or None, depth=depth, link="/impact/")
    try:
        made = svg(text)
    except DrawingError as error:
        line = f'<p class="mistake" role="status">{escape(str(error))}</p>'
        return Response(line, media_type=MediaType.HTML, status_code=503, headers=dict(HEADERS))
    return Response(made, media_type=MediaType.HTML, headers=dict(HEADERS))

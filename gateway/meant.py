"""What was meant by a reference: one without a registry, and one that names nothing. All within the caller's view."""

import re
from contextlib import suppress
from difflib import SequenceMatcher, get_close_matches
from typing import TYPE_CHECKING, Any

from federation.access import EVERYTHING
from federation.errors import UnknownError, WaypostError
from federation.references import Reference, ReferenceSyntaxError, parse
from gateway.parameters import read_reference
from gateway.problems import MLFLOW, ProblemError, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from litestar import Request

    from federation.access import Principal, View
    from gateway.waypost import Waypost

API = "/api/v1/"
NOWHERE = "nowhere"
"""The registry of a reference without one, while it is looked for."""
FEW = 5
"""References that are named to whoever may have meant one of them."""
ALIKE = 0.6
FORMS = (".json", ".csv", ".svg")
"""With what a page's address may end."""
STATEMENTS, COMMENTS, SIMILAR, VALIDATE = TAILS = ("/statements", "/comments", "/similar", "/validate")
"""What stands behind the reference of a version in an address that asks for something of it."""
LISTED: "Mapping[str, tuple[str, str, Callable[[Waypost, Principal], Iterable[str]]]]" = {
    "tokens": ("token", "token list", lambda waypost, who: (one.name for one in waypost.identity.tokens(who))),
    "grants": ("grant", "grants list", lambda waypost, who: ()),
    "principals": (
        "person or token",
        "principals list",
        lambda waypost, who: (one.who for one in waypost.identity.members(who)),
    ),
    "sessions": ("session", "sessions list", lambda waypost, who: ()),
    "searches": (
        "kept search", "searches list", lambda waypost, who: (one.name for one in waypost.searches.seen(who)),
    ),
    "registries": (
        "registry", "registries list", lambda waypost, who: (one.name for one in waypost.registries.list(who.view)),
    ),
    "promotions": ("promotion", "promotions list", lambda waypost, who: ()),
    "operations": ("operation", "operations list", lambda waypost, who: ()),
    "watches": ("watch", "inbox watching", lambda waypost, who: ()),
}  # fmt: skip
"""What stands behind the first word of a path, the command that lists it, and the names that somebody sees of it."""
_PART = re.compile(r"[:@]")
_WORD = re.compile(r"\w+")


def is_short(text: str) -> bool:
    """Whether it has no registry: no `/` before the first `:` or `@`."""
    return "/" not in _PART.split(text, 1)[0]


def completed(waypost: "Waypost", view: "View", text: str) -> str:
    """A reference with its registry: itself, or the only one that is called so. Errors: `ProblemError` 404 where
    several are.
    """
    if not is_short(text):
        return text
    text, form, _ = text.partition(next(filter(text.endswith, FORMS), "\0"))
    text, slash, more = text.partition("/")
    try:
        found = waypost.catalogue.namesakes(view, parse(text, default_registry=NOWHERE))
    except ReferenceSyntaxError:
        found = []
    if len(found) > 1:
        raise ProblemError(
            404,
            "not-found",
            "several registries have a model of this name: say which",
            candidates=[str(one) for one in found[:FEW]],
        )
    return f"{found[0] if found else text}{slash}{more}{form}"


def reference_meant(waypost: "Waypost", view: "View", text: str) -> Reference:
    """The reference that is meant, with its registry. Errors: as `completed`, and `ReferenceSyntaxError`, or a
    `ProblemError` with what was perhaps meant.
    """
    text = text.removeprefix("/")  # of the rest of a path
    try:
        return read_reference(completed(waypost, view, text))
    except ReferenceSyntaxError as error:
        raise with_candidates(waypost, view, text, error) from error


def place_meant(waypost: "Waypost", view: "View", text: str) -> str:
    """A registry, a model with its registry, or nothing, which is everything. Errors: `ProblemError` 404 with what was
    perhaps meant where it names nothing, so that nothing found there is no mistake.
    """
    if not text:
        return text
    registries = [one.name for one in waypost.registries.list(view)]
    if text in registries:
        return text
    try:
        reference = reference_meant(waypost, view, text)
        waypost.catalogue.model(view, Reference(reference.registry, reference.model))
    except (UnknownError, ProblemError, ReferenceSyntaxError) as error:
        near = [*get_close_matches(text, registries, FEW, ALIKE), *candidates(waypost, view, text)][:FEW]
        raise _no_such("registry or model", "registries list", near) from error
    return str(reference)


def selector_meant(waypost: "Waypost", view: "View", on: str) -> str:
    """What events are selected by, where it is a model with its registry. Errors: as `reference_meant`, and
    `ProblemError` 404 with what was perhaps meant by a registry.
    """
    kind, _, name = on.partition(":")
    known = [one.name for one in waypost.registries.list(view)] if kind == "registry" else [name]
    if name not in known:
        raise _no_such("registry", "registries list", get_close_matches(name, known, FEW, ALIKE))
    return str(reference_meant(waypost, view, on)) if waypost.events.is_of_a_model(on) else on


def asked_of(waypost: "Waypost", view: "View", text: str | None) -> str | None:
    """A reference by which a list is narrowed, if it is. Errors: as `reference_meant`."""
    return str(reference_meant(waypost, view, text)) if text else None


def whole(waypost: "Waypost", text: str | None) -> str | None:
    """A reference that is asked of the journal, whose readers see everything. Errors: as `reference_meant`."""
    return asked_of(waypost, EVERYTHING, text)


def with_candidates(waypost: "Waypost", view: "View", text: str, error: Exception) -> Exception:
    """An error about a reference, with what was perhaps meant where it names nothing or has no registry; without
    that where the very one is there, and lacks what was asked of it.
    """
    text = text.removesuffix(next(filter(text.endswith, TAILS), ""))
    is_unnamed = isinstance(error, ReferenceSyntaxError) and _names_a_model(text)
    if type(error) is not UnknownError and not is_unnamed:
        return error
    near = candidates(waypost, view, text)
    if text in near[:1] or not (near or is_unnamed):
        return error
    problem, meant = explain(error), {"candidates": near} if near else {}
    told = f"no registry has {text}" if is_unnamed else str(problem)
    return ProblemError(problem.status, problem.name, told, headers=problem.headers, **problem.more, **meant)


def _names_a_model(text: str) -> bool:
    """Whether only a registry is wanting to make it a reference."""
    try:
        return is_short(text) and bool(parse(text, default_registry=NOWHERE))
    except ReferenceSyntaxError:
        return False


def of_request(request: "Request[Any, Any, Any]", error: Exception) -> Exception:
    """An error about the reference or the name in the address of a request, with what was perhaps meant."""
    area, _, rest = request.scope["path"].removeprefix(API).partition("/")
    if rest and request.scope["path"].startswith(API):
        error = unlisted(request.scope["state"]["waypost"], request.scope["user"], area, rest, error)
    text = request.scope.get("path_params", {}).get("ref") or request.query_params.get("on")
    if not isinstance(text, str) or request.scope["path"].startswith(MLFLOW):
        return error
    if not request.scope["path"].startswith(API):
        text = text.removesuffix(next(filter(text.endswith, FORMS), ""))
    waypost = request.scope["state"]["waypost"]
    return with_candidates(waypost, request.scope["user"].view, text.removeprefix("/"), error)


def unlisted(waypost: "Waypost", who: "Principal", area: str, rest: str, error: Exception) -> Exception:
    """An error about a name that is none, with the word for what was looked for, where it is listed, and names like it.
    What somebody may not see is none.
    """
    if type(error) is not UnknownError or str(error) != str(UnknownError()) or area not in LISTED:
        return error
    noun, command, names = LISTED[area]
    near: list[str] = []
    with suppress(WaypostError):
        near = get_close_matches(rest.partition("/")[0], list(dict.fromkeys(names(waypost, who))), FEW, ALIKE)
    return _no_such(noun, command, near)


def _no_such(noun: str, command: str, near: list[str]) -> ProblemError:
    detail = f"there is no such {noun} that you may see: `waypost {command}` shows them"
    more: dict[str, Any] = {"candidates": near} if near else {}
    return ProblemError(404, "not-found", detail, **more)


def candidates(waypost: "Waypost", view: "View", text: str) -> list[str]:
    """The few references that may have been meant; the first is the very one where it names something."""
    return list(dict.fromkeys(_near(waypost, view, text)))[:FEW]


def _near(waypost: "Waypost", view: "View", text: str) -> "Iterator[str]":
    """The same in another registry or under the model's new name, other versions of the model, then models with a name
    like it.
    """
    try:
        wanted = parse(text, default_registry=NOWHERE)
    except ReferenceSyntaxError:
        return
    yield from map(str, waypost.catalogue.namesakes(view, wanted))
    yield from map(str, waypost.catalogue.renamed(view, wanted))
    model = Reference(wanted.registry, wanted.model)
    sign = "@" if wanted.alias or wanted.stage else ":"
    if wanted != model:
        typed = str(model).removeprefix(f"{NOWHERE}/") if is_short(text) else str(model)
        others = waypost.catalogue.continued(view, typed + sign)
        yield from (one for one in others if "@stage:" not in one)
    yield from _alike(waypost, view, wanted)


def _alike(waypost: "Waypost", view: "View", wanted: Reference) -> "Iterator[str]":
    """Models whose names are like the one that was asked for, the most like it first."""
    from federation.search.answer import SearchRequest

    words = " ".join(_WORD.findall(wanted.model))
    hits = waypost.search.query(view, SearchRequest(q=words, limit=20)).hits if words else []
    asked = str(Reference(wanted.registry, wanted.model))
    likeness = {
        str(Reference(hit.registry, hit.model)): max(
            _likeness(wanted.model, hit.model), _likeness(asked, f"{hit.registry}/{hit.model}")
        )
        for hit in hits
    }
    yield from sorted(
        (ref for ref, like in likeness.items() if like >= ALIKE), key=lambda ref: -likeness[ref]
    )


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold()[:200], other.casefold()[:200]).ratio()

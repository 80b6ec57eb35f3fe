"""`/versions/{ref}`: everything known of one version; `/similar/{ref}`: what is like it; `/diff`: two side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from federation.access import Permission, Principal, View
from federation.catalogue.catalogue import Version
from federation.errors import UnknownError
from federation.graph.graph import DamagedError, DependenciesAnswer
from federation.journal.journal import JournalFilter
from federation.references import ReferenceSyntaxError, parse
from gateway.api.history_out import timeline_out
from gateway.api.out import DiffOut, EntryOut, VersionOut, diff_out, entry_out, version_out
from gateway.api.requests import Limit, OptionalIdent
from gateway.likeness import similar
from gateway.api.statements_out import CommentOut, comments_out
from gateway.loading import how_to_load
from gateway.meant import candidates, completed
from gateway.names import names_in
from gateway.pages.forms import form_at
from gateway.pages.markdown import card
from gateway.pages.model import impact_of, trouble_of
from gateway.pages.page import form_of, list_at, listed, named, page, pages_at
from gateway.pages.words import number, path
from gateway.parameters import read_as_of, read_reference
from gateway.problems import ProblemError
from gateway.waypost import Waypost

SMALLER_IS_BETTER = (
    "loss", "error", "latency", "rmse", "mae", "mse", "mape", "brier", "perplexity", "wer", "cer", "fpr", "time",
)  # fmt: skip


@pages_at("/versions/{ref:path}")
def version_page(
    request: Request[Any, Any, Any],
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    incarnation: FromQuery[OptionalIdent] = None,
    as_of: FromQuery[str | None] = None,
) -> Response[Any]:
    """Everything about one version, by version, alias or stage."""
    view, time = principal.view, read_as_of(as_of)
    found, form = named(
        request,
        ref,
        lambda text, _: waypost.catalogue.version(
            view, read_reference(text), incarnation=incarnation, at=time
        ),
    )
    version = version_out(found, waypost.freshness.of(view, found.registry))
    if form != "html":
        return listed(request, "", version, [version], form=form, title=version.ref)
    living = version.deleted_at is None
    return page(
        request,
        "version.html",
        title=f"{version.title or version.model} {version.version}",
        version=version,
        trouble=trouble_of(waypost, view, version.registry),
        is_open=waypost.operations.takes(principal, found.registry_id),
        asked=ref.removeprefix("/"),
        as_of=as_of,
        card=card(version.description) if version.description else None,
        snippets=how_to_load(waypost, found, str(request.base_url).rstrip("/")) if living else None,
        spans=timeline_out(
            waypost.identity, found.reference, None, waypost.catalogue.timeline(view, found.reference)
        ).spans,
        impact=impact_of(waypost, principal, version.ref) if living else None,
        model_card=waypost.catalogue.card(found, waypost.adapters) if living else {},
        stated=waypost.statements.of(view, found.reference) if living else [],
        comments=_comments(waypost, view, found) if living else None,
        needs=_needs(waypost, view, version) if living else None,
        entries=_entries(waypost, version.ref) if principal.may(Permission.AUDIT) else None,
    )


def _comments(waypost: Waypost, view: View, found: Version) -> list[CommentOut]:
    return comments_out(waypost.identity, waypost.statements.comments(view, found.reference))


@form_at("/comment/{ref:path}", Permission.APPROVE)
def comment(
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    principal: NamedDependency[Principal],
    fields: NamedDependency[dict[str, str]],
) -> Redirect:
    """Say something of a version, for everybody who sees it."""
    reference = read_reference(ref)
    waypost.statements.comment(principal, reference, fields.get("words", ""))
    return Redirect(f"{path(str(reference))}#h-comments", status_code=303)


def _needs(waypost: Waypost, view: View, version: VersionOut) -> DependenciesAnswer | None:
    try:
        return waypost.graph.dependencies(view, parse(version.ref), limit=50)
    except (DamagedError, UnknownError):
        return None


def _entries(waypost: Waypost, ref: str) -> list[EntryOut]:
    lines = waypost.journal.entries(JournalFilter(ref=ref), limit=10, newest_first=True)
    names = names_in(waypost.identity, lines)
    return [entry_out(line, names) for line in lines]


@pages_at("/similar/{ref:path}")
def similar_page(
    request: Request[Any, Any, Any],
    ref: FromPath[str],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    limit: FromQuery[Limit] = 20,
) -> Response[Any]:
    """Other models that are like a version, and what they have in common."""
    found, form = named(request, ref, lambda text, _: similar(waypost, view, read_reference(text), limit))
    return listed(
        request, "similar.html", found, found.similar, form=form, title=f"More like {found.ref}", found=found
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One field that differs. `delta` and `better` only for a metric that both have."""

    field: str
    left: Any
    right: Any
    delta: float | None = None
    better: bool | None = None


@list_at("/diff")
def diff_page(
    request: Request[Any, Any, Any],
    waypost: NamedDependency[Waypost],
    view: NamedDependency[View],
    left: FromQuery[str] = "",
    right: FromQuery[str] = "",
) -> Response[Any]:
    """Two versions, also of different registries: what differs."""
    mistake = None
    found: DiffOut | None = None
    meant: list[str] = []
    if left and right:
        try:
            pair = [read_reference(completed(waypost, view, text)) for text in (left, right)]
            found = diff_out(waypost.catalogue.compare(view, *pair))
        except (ReferenceSyntaxError, UnknownError, ProblemError) as error:
            if form_of(request) != "html":
                raise
            mistake = f"{error}: write registry/model:version, or an alias or stage of a model"
            for text in (left, right):
                near = candidates(waypost, view, text)
                meant += [] if text in near else near
    rows = rows_of(found.differences) if found else {}
    return listed(
        request,
        "diff.html",
        found,
        [row for group in rows.values() for row in group],
        title="Compare",
        left=left,
        right=right,
        found=found,
        groups=rows,
        mistake=mistake,
        candidates=meant,
    )


def rows_of(differences: Mapping[str, Any]) -> dict[str, list[Row]]:
    """What differs, under the heads of the page; what is nested is put in words."""
    groups: dict[str, list[Row]] = {
        "": [],
        "Metrics": [],
        "Schema": [],
        "Made from": [],
        "Software": [],
        "Parameters": [],
        "Tags": [],
    }
    heads = {
        "metrics": "Metrics",
        "params": "Parameters",
        "tags": "Tags",
        "lineage": "Made from",
        "environment": "Software",
    }
    for name, pair in differences.items():
        head, _, rest = name.partition(".")
        if name == "schema":
            groups["Schema"] = _columns(pair.left, pair.right)
        elif name == "lineage.datasets":
            groups["Made from"].append(Row("data", _datasets(pair.left), _datasets(pair.right)))
        elif name == "environment.images":
            groups["Software"].append(Row("images", _images(pair.left), _images(pair.right)))
        elif head not in heads or not rest:
            groups[""].append(Row(name, pair.left, pair.right))
        elif head == "metrics" and isinstance(pair.left, int | float) and isinstance(pair.right, int | float):
            delta = pair.right - pair.left
            groups["Metrics"].append(Row(rest, pair.left, pair.right, delta, _is_better(rest, delta)))
        else:
            groups[heads[head]].append(Row(rest, pair.left, pair.right))
    return {head: rows for head, rows in groups.items() if rows}


def _columns(left: Any, right: Any) -> list[Row]:
    """The columns of two schemas that differ, in words."""
    one, other = _by_column(left), _by_column(right)
    names = dict.fromkeys([*one, *other])
    changed = [
        Row(name, one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)
    ]
    return changed or [Row("order of the columns", list(one), list(other))]


def _by_column(schema: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for side, columns in (("input", "inputs"), ("output", "outputs"), ("param", "params")):
        for place, column in enumerate((schema or {}).get(columns) or (), 1):
            words = [str(column["type"]), "" if column["required"] or side == "param" else "optional"]
            if column["positional"]:
                words.append("told by its place")
            if column["shape"] is not None:
                words.append(f"shape {column['shape']}")
            if column["minimum"] is not None or column["maximum"] is not None:
                words.append(f"from {_bound(column['minimum'])} to {_bound(column['maximum'])}")
            if column["default"] is not None:
                words.append(f"default {column['default']}")
            found[f"{side} {column['name'] or place}"] = ", ".join(word for word in words if word)
    return found


def _bound(value: float | None) -> str:
    """A bound, or that there is none."""
    return "any" if value is None else number(value)


def _datasets(found: Any) -> list[str] | None:
    return [
        f"{one['name']} #{one['digest']}" if one["digest"] else one["name"] for one in found or ()
    ] or None


def _images(found: Any) -> list[str] | None:
    return [one["address"] + (f" {one['digest']}" if one["digest"] else "") for one in found or ()] or None


def _is_better(metric: str, delta: float) -> bool:
    """By the metric's name: of a loss, an error or a duration less is better, of everything else more."""
    parts = metric.lower().replace("-", "_").split("_")
    falling = any(part.startswith(word) for part in parts for word in SMALLER_IS_BETTER)
    return delta < 0 if falling else delta > 0


HANDLERS = [*version_page, comment, *similar_page, *diff_page]

"""What a command asks for, answered in this process by the faces, in the shapes of the HTTP API.

A command asks by method and path wherever the gateway is. Whoever holds the database may do everything. Each module
answers some areas, and is imported when one of them is asked for: most answers take less time than their imports.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import msgspec

from federation.access import LOCAL
from federation.errors import WaypostError
from gateway.cli.asked import AnsweredProblemError, Gateway, given
from gateway.parameters import checked, read_as_of, read_reference
from gateway.problems import ProblemError, explain
from gateway.start import starting

__all__ = ["Here", "Ident", "Query", "checked", "reference_of", "time_of"]
if TYPE_CHECKING:
    from datetime import datetime

    from federation.references import Reference
    from gateway.waypost import Waypost

Ident = Annotated[int, msgspec.Meta(ge=1, le=2**62)]
"""A surrogate id; what no database can hold is refused here."""
Query = Mapping[str, Any]
MODULES: Mapping[str, Sequence[str]] = {
    "registries": ("registries", "syncs"),
    "catalogue": (
        "models",
        "versions",
        "diff",
        "comparison",
        "timeline",
        "production",
        "snippets",
        "cards",
        "references",
    ),
    "graph": ("deprecations", "dependencies", "impact", "bom", "insights"),
    "search": ("search",),
    "searches": ("searches",),
    "journal": ("audit",),
    "identity": ("whoami", "tokens", "grants", "principals", "sessions"),
    "operations": ("operations",),
    "bulk": ("bulk",),
    "events": ("events", "changes", "inbox", "watches", "webhooks"),
    "promotions": ("policies", "plans", "promotions", "rollbacks", "rollouts"),
    "retention": ("retention",),
    "hooks": ("hooks",),
    "team": ("team",),
}
"""The areas that each module answers: the first words of paths."""
NAMING = frozenset({"models", "versions", "timeline", "cards", "snippets", "dependencies", "impact", "bom"})
"""The areas whose paths go on with a reference."""


class Here(Gateway):
    """The gateway in this process."""

    def __init__(self, waypost: "Waypost") -> None:
        self.waypost: Waypost = waypost

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        found = self._answer(method, path, {**given(query or {}), **(headers or {})}, body)
        if found is None:
            return None
        return msgspec.json.decode(found if isinstance(found, bytes) else msgspec.json.encode(found))

    def text(self, path: str, **query: Any) -> str:
        return str(self._answer("GET", path, given(query), None))

    def _answer(self, method: str, path: str, query: Query, body: Any) -> object:
        area, *rest = map(unquote, path.removeprefix("/").split("/"))
        module = _imported(f"{__name__}.{_module(method, area, rest)}")
        names = area in NAMING and (method == "GET" or area in ("models", "versions"))
        try:
            if names:
                rest = self._completed(rest)
            found: object = self._tried(module, (method, area, *rest), query, body)
        except (WaypostError, ProblemError) as error:
            problem = explain(self._meant(names, area, rest, query.get("on"), error))
            said = msgspec.json.decode(msgspec.json.encode(problem.body()))
            raise AnsweredProblemError(problem.status, said) from error
        return found

    def _tried(self, module: Any, asked: tuple[str, ...], query: Query, body: Any) -> object:
        """What a module answers; what it reads by a reference that names nothing, with what the index has like it."""
        try:
            return module.answer(self.waypost, asked, query, body)
        except ProblemError as error:
            if asked[0] != "GET" or error.status not in (400, 404):
                raise
            self._index()
            return module.answer(self.waypost, asked, query, body)

    def _index(self) -> None:
        """Bring the index up to what there is: no worker does."""
        from gateway.cli.local import catch_up

        catch_up(self.waypost, ["search"])
        self.waypost.reload_search()

    def _completed(self, words: Sequence[str]) -> list[str]:
        """The words of a path with the registry that its reference leaves out."""
        if not words or (len(words) > 1 and not {":", "@"} & set(words[0])):
            return list(words)
        from gateway.meant import completed

        return [*completed(self.waypost, LOCAL.view, words[0]).split("/"), *words[1:]]

    def _meant(
        self, names: bool, area: str, words: Sequence[str], on: str | None, error: Exception
    ) -> Exception:
        """An error about a reference or a name, with what was perhaps meant."""
        from gateway.meant import unlisted, with_candidates

        if not names and not on:
            return unlisted(self.waypost, LOCAL, area, "/".join(words), error)
        self._index()
        return with_candidates(self.waypost, LOCAL.view, on or "/".join(words), error)


def _imported(name: str) -> Any:
    """A module. What is there is not imported again: that would keep everything made so far from being collected."""
    if name not in sys.modules:
        with starting():
            return import_module(name)
    return sys.modules[name]


def _module(method: str, area: str, rest: Sequence[str]) -> str:
    """What answers an area; what is changed there is a matter of operations."""
    if method == "POST" and area == "models":
        return "graph"
    if (method != "GET" and area in ("models", "versions")) or tuple(rest[1:]) == ("versions",):
        return "operations"
    return next(name for name, areas in MODULES.items() if area in areas)


def reference_of(words: Sequence[str]) -> "Reference":
    """The reference that the last words of a path are. Errors: `ReferenceSyntaxError`."""
    return read_reference("/".join(words))


def time_of(query: Query) -> "datetime | None":
    """The time that is asked about. Errors: `ProblemError` 400."""
    return read_as_of(query.get("as_of"))

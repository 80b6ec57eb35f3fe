"""What a command asks, wherever the gateway is: by method and path, as of the HTTP API."""

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from gateway.cli.failure import UNREACHABLE, USAGE, CommandError
from gateway.cli.invocation import TOKEN

if TYPE_CHECKING:
    from gateway.waypost import Waypost


class AnsweredProblemError(CommandError):
    """The API answered with a problem. `body` is its JSON (RFC 9457)."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        detail = str(body.get("detail") or body.get("title") or f"the gateway answered {status}")
        if body.get("candidates"):
            detail += f"; did you mean {' or '.join(body['candidates'])}?"
        if status == 401 and not os.environ.get(TOKEN, "").strip():
            made = "an operator makes one by `waypost token create NAME --role viewer`"
            detail = f"this gateway asks for a token: set {TOKEN}; {made}"
        elif status == 401:
            detail += f" (the token is taken from {TOKEN})"
        super().__init__(detail, UNREACHABLE if status >= 500 else USAGE)
        self.status = status
        self.body = body


class Gateway:
    """The gateway that a command asks. `waypost` is there where it is in this process."""

    waypost: "Waypost | None" = None

    def get(self, path: str, **query: Any) -> Any:
        """Read; parameters that are None or empty are left out. Errors: `CommandError`."""
        return self.ask("GET", path, query=query)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One request under `/api/v1`; returns the answer's JSON, None for an empty one. Errors: `CommandError`."""
        raise NotImplementedError

    def text(self, path: str, **query: Any) -> str:
        """Read what is no JSON. Errors: `CommandError`."""
        raise NotImplementedError


def meant(name: str, known: Iterable[str]) -> str:
    """What is said behind a name that is none: "; did you mean …?", or nothing where no other is like it."""
    near = get_close_matches(name, list(known), 2, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def strangers(gateway: Gateway, *, registry: str = "", team: str = "", yet: str = "") -> Iterator[str]:
    """What is said of a registry, or of a team, by whose name nothing is found because the caller sees none."""
    if registry or team:
        known = {one["name"]: one["team"] for one in gateway.get("/registries")["registries"]}
        teams = list(dict.fromkeys(known.values()))
        if registry and registry not in known:
            yield f"there is no registry {registry}{yet} that you see{meant(registry, known)}"
        if team and team not in teams:
            yield f"there is no registry of team {team}{yet} that you see{meant(team, teams)}"


def strangers_in(gateway: Gateway, on: str, yet: str = "") -> Iterator[str]:
    """The same of `registry:NAME` or `team:NAME`."""
    kind, _, name = on.partition(":")
    return strangers(gateway, **{kind: name}, yet=yet) if kind in ("registry", "team") else iter(())


def given(query: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that say something."""
    return {name: value for name, value in query.items() if value not in (None, "", [])}

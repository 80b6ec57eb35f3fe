"""A client for programs and notebooks: the names of the command line, typed answers that a notebook shows as tables.

    from waypost.client import Client

    waypost = Client("https://waypost.example.com", token="…")
    waypost.search("fraud stage:production")
    waypost.show("fraud/card-fraud-scorer@champion").metrics
    waypost.impact("search/encoder:3", action="archive").breaking
    waypost.bulk(["search/encoder:1", "search/encoder:2"], tags={"reviewed": "2026"}).carry_out()

Without arguments it takes what commands take: WAYPOST_URL and WAYPOST_TOKEN. An answer has what is used most as
attributes, and everything that the gateway said as `data`.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

__all__ = [
    "Bulk", "Client", "Hit", "Impact", "Model", "Operation", "SearchResult", "Version", "WaypostClientError",
]  # fmt: skip
API = "/api/v1"
LOOK_EVERY = 0.2
ENDED = ("ok", "partial", "failed")
Action = Literal["change", "archive", "delete", "move-alias"]
Data = Mapping[str, Any]


class WaypostClientError(Exception):
    """The gateway said no, or did not answer. `status` 0: it was not reached. `candidates`: perhaps meant."""

    def __init__(self, text: str, status: int = 0, problem: Data | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.problem: Data = problem or {}
        self.candidates: Sequence[str] = self.problem.get("candidates", ())


@dataclass(frozen=True)
class Version:
    """One version of a model, as it stands."""

    ref: str
    stage: str
    team: str
    aliases: Sequence[str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    data: Data = field(repr=False)

    @classmethod
    def of(cls, data: Data) -> "Version":
        """From the gateway's JSON."""
        return cls(
            data["ref"], data["stage"], data["team"], data["aliases"], data["metrics"], data["tags"], data
        )

    def _repr_html_(self) -> str:
        facts: dict[str, Any] = {"Stage": self.stage, "Aliases": ", ".join(self.aliases), "Team": self.team}
        facts |= {
            name: self.data.get(name.lower()) for name in ("Owner", "Framework", "License", "Description")
        }
        facts |= {name: f"{value:.5g}" for name, value in self.metrics.items()}
        rows = [(name, value) for name, value in facts.items() if value]
        return _table((self.ref, ""), rows)


@dataclass(frozen=True)
class Model:
    """One model with its versions, newest first."""

    ref: str
    team: str
    aliases: Mapping[str, str]
    versions: Sequence[Data]
    data: Data = field(repr=False)

    @classmethod
    def of(cls, data: Data) -> "Model":
        """From the gateway's JSON."""
        return cls(data["ref"], data["team"], data["aliases"], data["versions"], data)

    def _repr_html_(self) -> str:
        rows = [(one["ref"], one["stage"], ", ".join(one["aliases"])) for one in self.versions]
        return _table(("Version", "Stage", "Aliases"), rows)


@dataclass(frozen=True)
class Hit:
    """A version that a search found."""

    ref: str
    stage: str
    team: str
    score: float
    data: Data = field(repr=False)

    @classmethod
    def of(cls, data: Data) -> "Hit":
        """From the gateway's JSON."""
        return cls(data["ref"], data["stage"] or "", data["team"], data["score"], data)


@dataclass(frozen=True)
class SearchResult:
    """What a search found: `total` in all, `hits` of this page."""

    query: str
    total: int
    hits: Sequence[Hit]
    data: Data = field(repr=False)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def _repr_html_(self) -> str:
        rows = [(one.ref, one.stage, one.team, one.data.get("framework") or "") for one in self.hits]
        return _table(("Version", "Stage", "Team", "Framework"), rows) + f"<p>{self.total:,} in all</p>"


@dataclass(frozen=True)
class Impact:
    """What is hit when something is touched: `breaking` and `affected` count everything, `versions` are named."""

    ref: str
    action: str
    breaking: int
    affected: int
    production: int
    versions: Sequence[Data]
    data: Data = field(repr=False)

    @classmethod
    def of(cls, data: Data) -> "Impact":
        """From the gateway's JSON."""
        counts = data["counts"]
        return cls(
            data["ref"], data["action"], counts["breaking"], counts["affected"], counts["production"],
            data["affected"], data,
        )  # fmt: skip

    def _repr_html_(self) -> str:
        rows = [
            ("breaks" if one["breaks"] else "", one["ref"], one["stage"], one["team"], one["reason"])
            for one in self.versions
        ]
        head = f"<p>{self.breaking:,} break, {self.affected:,} are affected, {self.production:,} in production</p>"
        return head + _table(("", "Version", "Stage", "Team", "Why"), rows)


@dataclass(frozen=True)
class Operation:
    """What became of a change on a backend."""

    id: int
    ref: str
    state: str
    error: str | None
    data: Data = field(repr=False)

    @classmethod
    def of(cls, data: Data) -> "Operation":
        """From the gateway's JSON."""
        return cls(data["id"], data["ref"], data["state"], data["error"], data)


@dataclass(frozen=True)
class Bulk:
    """What changes of many would do; nothing was changed. `refused`: what cannot be, with the reason."""

    refused: Mapping[str, str]
    unchanged: int
    data: Data = field(repr=False)
    _client: "Client" = field(repr=False)
    _body: Data = field(repr=False)

    @classmethod
    def of(cls, client: "Client", body: Data, data: Data) -> "Bulk":
        """From the gateway's JSON."""
        every = [*data["tagged"], *data["deprecated"]]
        refused = {one["ref"]: one["refusal"] for one in every if one["refusal"]}
        return cls(refused, data["unchanged"], data, client, body)

    def carry_out(self, *, wait: bool = True) -> Sequence[Operation]:
        """Do just this: what became of each tagged model and version. Errors: 412 where it is no longer so."""
        done = self._client.ask("POST", "/bulk", json={**self._body, "plan": self.data["token"]})
        return [self._client.ended(one) if wait else Operation.of(one) for one in done["operations"]]

    def _repr_html_(self) -> str:
        rows = [
            (change["ref"], change["field"], change["before"] or "", change["after"] or "")
            for one in self.data["tagged"]
            if one["plan"]
            for step in one["plan"]["steps"]
            for change in step["fields"]
        ]
        rows += [(one["ref"], "deprecated", "", "") for one in self.data["deprecated"] if not one["refusal"]]
        rows += [(ref, "cannot be", "", why) for ref, why in self.refused.items()]
        return _table(("Of", "What", "Now", "Afterwards"), rows)


class Client:
    """A running gateway. Every method raises `WaypostClientError`; a reference is written as on the command line."""

    def __init__(
        self, url: str = "", token: str = "", *, timeout: float = 60.0, transport: Any = None
    ) -> None:
        base = (url or os.environ.get("WAYPOST_URL", "")).rstrip("/")
        if not base:
            raise WaypostClientError("name the gateway: Client('https://…'), or WAYPOST_URL")
        secret = token or os.environ.get("WAYPOST_TOKEN", "")
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        self._http = httpx.Client(base_url=base, headers=headers, timeout=timeout, transport=transport)
        self._position = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def search(
        self,
        query: str = "",
        *,
        limit: int = 20,
        sort: str = "relevance",
        group: Literal["model", "version"] = "model",
        strict: bool = False,
    ) -> SearchResult:
        """What a query finds, best first."""
        data = self.get("/search", q=query, limit=limit, sort=sort, group=group, strict=strict)
        return SearchResult(data["query"], data["total"], [Hit.of(one) for one in data["hits"]], data)

    def show(self, ref: str) -> Version:
        """A version, by version, alias, stage, or (a bare model) the newest."""
        return Version.of(self.get(f"/versions/{_path(ref)}"))

    def model(self, ref: str) -> Model:
        """A model with its versions."""
        return Model.of(self.get(f"/models/{_path(ref)}"))

    def impact(self, ref: str, *, action: Action = "change", to: str | None = None) -> Impact:
        """What breaks and what is affected when something is done to a version, alias or model."""
        return Impact.of(self.get(f"/impact/{_path(ref)}", action=action, to=to, limit=200))

    def deps(self, ref: str) -> Sequence[Data]:
        """What a version is made from or needs, nearest first."""
        found: Sequence[Data] = self.get(f"/dependencies/{_path(ref)}", limit=200)["dependencies"]
        return found

    def diff(self, left: str, right: str) -> Mapping[str, Data]:
        """The fields in which two versions differ, each with `left` and `right`."""
        found: Mapping[str, Data] = self.get("/diff", left=left, right=right)["differences"]
        return found

    def timeline(self, ref: str) -> Sequence[Data]:
        """Which version held which stage and alias, newest first."""
        found: Sequence[Data] = self.get(f"/timeline/{_path(ref)}")["spans"]
        return found

    def production(self, *, team: str | None = None, as_of: str | None = None) -> Sequence[Data]:
        """What is, or was, in production."""
        found: Sequence[Data] = self.get("/production", team=team, as_of=as_of)["versions"]
        return found

    def registries(self) -> Sequence[Data]:
        """The registries, with how each stands."""
        found: Sequence[Data] = self.get("/registries")["registries"]
        return found

    def snippets(self, ref: str) -> Mapping[str, str]:
        """Lines that load a version, by what they are."""
        return {one["title"]: one["code"] for one in self.get(f"/snippets/{_path(ref)}")["snippets"]}

    def set(
        self,
        ref: str,
        *,
        stage: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        wait: bool = True,
    ) -> Operation:
        """Change the stage or the tags of a version on its backend; None as a tag's value takes the tag away."""
        if (stage is None) == (tags is None):
            raise WaypostClientError("say what to change: stage or tags")
        if stage is not None:
            asked = self.ask("PUT", f"/versions/{_path(ref)}/stage", json={"stage": stage})
        else:
            asked = self.ask("PATCH", f"/versions/{_path(ref)}/tags", json={"tags": dict(tags or {})})
        return self.ended(asked) if wait else Operation.of(asked)

    def team(self, name: str = "") -> Mapping[str, Sequence[Data]]:
        """What a team has to look at: each list with its first rows. Without a name: of the caller's own team."""
        found = self.get("/team", team=name or None, limit=200)["lists"]
        return {one["name"]: one["rows"] for one in found}

    def bulk(
        self,
        refs: Sequence[str],
        *,
        tags: Mapping[str, str | None] | None = None,
        until: str | None = None,
        replacement: str | None = None,
        note: str = "",
    ) -> "Bulk":
        """What tags of many models and versions (None takes one away), or deprecations of their models until a day,
        would do. `carry_out` does just that, or nothing where anything is no longer so.
        """
        body: dict[str, Any] = {"refs": list(refs), "tags": dict(tags or {})}
        if until is not None:
            body["deprecate"] = {"until": until, "replacement": replacement, "note": note}
        return Bulk.of(self, body, self.ask("POST", "/bulk", params={"dry_run": True}, json=body))

    def ended(self, operation: Data) -> Operation:
        """An operation once it has ended."""
        while operation["state"] not in ENDED and not operation["finished_at"]:
            time.sleep(LOOK_EVERY)
            operation = self.get(f"/operations/{operation['id']}")
        return Operation.of(operation)

    def get(self, path: str, **query: Any) -> Any:
        """What the API answers to a GET under `/api/v1`; parameters that are None are left out."""
        return self.ask("GET", path, params={name: one for name, one in query.items() if one is not None})

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """What the API answers, as JSON; `options` are those of `httpx.Client.request`."""
        headers = {"Waypost-Position": self._position} if self._position else {}
        try:
            answer = self._http.request(method, f"{API}{path}", headers=headers, **options)
        except httpx.HTTPError as error:
            raise WaypostClientError(f"{self._http.base_url} cannot be reached: {error}") from None
        try:
            data = answer.json() if answer.content else None
        except ValueError:
            raise WaypostClientError(
                f"{self._http.base_url} is no Waypost gateway", answer.status_code
            ) from None
        if answer.status_code >= 300:
            problem = data if isinstance(data, dict) else {}
            text = str(problem.get("detail") or f"the gateway answered {answer.status_code}")
            raise WaypostClientError(text, answer.status_code, problem)
        self._position = answer.headers.get("Waypost-Position", self._position)
        return data


def _path(ref: str) -> str:
    return quote(ref, safe="/:@")


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table for a notebook; whatever stands in it is text."""

    def line(cells: Sequence[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"

"""The Hub's API: listings by the header `Link`, single repositories, and what its refusals mean.

- A repository that was renamed is answered by a redirect; `row` follows it, once and on the same Hub.
- 401 says nothing about a repository: the Hub answers it for what is private, gated or not there. Only 404 with
  `X-Error-Code: RepoNotFound` is absence, and only for a token that another call has just shown to be good.
- Every answer tells what is left of the token's window of requests.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from adapters.errors import (
    AdapterError,
    AuthError,
    BadRecordError,
    InvalidError,
    NotFoundError,
    TransientError,
)
from adapters.http import HttpClient, Reply, below, check_count, next_page
from adapters.huggingface.config import HuggingFaceConfig
from adapters.huggingface.keys import NativeId, is_readable
from adapters.kept import Kept
from adapters.payloads import Raw, excerpt, parts, text
from adapters.quota import AnnouncedQuota
from adapters.served import ServiceClient

PAGE = 500
"""Repositories on a page: what the vendor's JavaScript client asks for at most."""
OF_COMMIT = (
    "baseModels",
    "cardData",
    "lastModified",
    "library_name",
    "model-index",
    "pipeline_tag",
    "safetensors",
    "sha",
    "tags",
)
"""What belongs to a commit."""
OF_REPOSITORY = ("author", "createdAt", "disabled", "gated", "private", "resourceGroup")
FIELDS = ("_id", "id", *OF_COMMIT, *OF_REPOSITORY)
PROVED = 60.0
"""Seconds for which a token that was good is believed to be."""
MOST_COMMITS = 20_000
"""Commits that are remembered: what is read of one never changes."""


class UnseenError(NotFoundError):
    """The Hub does not show this repository to this token."""


class MovedError(InvalidError):
    """The repository has another name now. `to` is its path below `url`."""

    def __init__(self, host: str, to: str) -> None:
        super().__init__(f"{host}: it was renamed: it is at {to} now")
        self.to = to


class HubClient(ServiceClient):
    """One Hub."""

    def __init__(self, config: HuggingFaceConfig) -> None:
        self.config = config
        self.quota = AnnouncedQuota(config.quota_share)
        headers = {"Accept": "application/json"}
        if config.token is not None:
            headers["Authorization"] = f"Bearer {config.token.get_secret_value()}"
        endpoint = config.endpoint(config.url, headers=headers, connections=config.concurrency + 1)
        super().__init__(HttpClient(endpoint, explain=self._explain), PAGE)
        self._commits: Kept[tuple[str, str], Raw] = Kept(MOST_COMMITS)
        self._renamed = set[str]()
        self._proved = float("-inf")
        self._ahead = 0.0
        """Seconds that the Hub's clock is before ours."""

    def page(
        self, author: str | None, following: str | None, most: int = PAGE
    ) -> tuple[list[Any], str | None]:
        """A page of an author's repositories (None: of all), oldest last, and where the next one is; a smaller one
        where so much is too much at once.
        """
        return self._portion.read(most, lambda size: self._page(author, following, size))

    def _page(self, author: str | None, following: str | None, size: int) -> tuple[list[Any], str | None]:
        path, _, query = (following or "/api/models").partition("?")
        first = {"author": author, "sort": "createdAt", "expand": FIELDS[2:]}
        asked = parse_qs(query, keep_blank_values=True) if following else first
        reply = self.call("GET", path, {**asked, "limit": size})
        rows = reply.json()
        if not isinstance(rows, list):
            raise InvalidError(f"{self.http.host} answered with no list of models: check `url`")
        check_count(self.http.host, len(rows), size)
        return rows, next_page(reply, self.config.url, path)

    def row(self, name: str) -> Raw:
        """A repository as it is now, under the name that it has now. Errors: any `AdapterError`."""
        asked = {"expand": FIELDS[2:]}
        try:
            raw = self.call("GET", f"/api/models/{name}", asked).json()
        except MovedError as moved:
            raw = self.call("GET", moved.to, asked).json()
        return sound(raw)

    def refs(self, name: str) -> dict[str, dict[str, str | None]]:
        """The tags and branches of a repository, each with the commit it is at (None: it does not say)."""
        raw = self.call("GET", f"/api/models/{name}/refs").json()
        return {
            kind: {str(one.get("name")): text(one, "targetCommit") for one in parts(raw, kind)}
            for kind in ("tags", "branches")
        }

    def known(self, row: Raw, commit: str) -> Raw | None:
        """What a commit holds, where nothing has to be asked for it."""
        return of_commit(row) if row.get("sha") == commit else self._commits.get((row["_id"], commit))

    def commit(self, row: Raw, commit: str) -> Raw:
        """What a commit of a repository holds, and when it was made."""
        found = self.known(row, commit)
        if found is None:
            at = f"/api/models/{row['id']}"
            raw = self.call("GET", f"{at}/revision/{commit}", {"expand": OF_COMMIT}).json()
            log = self.call("GET", f"{at}/commits/{commit}", {"limit": 1}).json()
            newest = log[0] if isinstance(log, list) and log else None
            found = {**of_commit(raw), "sha": commit, "lastModified": text(newest, "date")}
            self._commits.keep((row["_id"], commit), found)
        return found

    def reads(self, name: str) -> bool:
        """Whether a repository belongs to the registry, under the name that it has now."""
        if not self.config.reads(name) and name not in self._renamed:
            self._renamed = set(self._names_now())
        return self.config.reads(name) or name in self._renamed

    def _names_now(self) -> Iterator[str]:
        """What configured repositories are called now."""
        for name in self.config.repositories:
            with suppress(AuthError, NotFoundError, BadRecordError):
                yield str(self.row(name)["id"])

    def whoami(self) -> Raw:
        """Whose token it is, and what it may do."""
        said = self.http.call("GET", "/api/whoami-v2", repeatable=True).json()
        self._proved = time.monotonic()
        return said if isinstance(said, dict) else {}

    def now(self) -> float:
        """The time by the Hub's clock, in seconds since 1970."""
        ahead = self._ahead  # before our clock is read: a thread that notes a later answer would turn it back
        return ahead + time.time()

    def prove(self) -> None:
        """See that the token is good. Errors: `AuthError` where it is not, or there is none."""
        if self.config.token is None:
            raise AuthError(
                f"{self.http.host} does not show it, and only a token tells whether it is gone: set `token`"
            )
        if time.monotonic() - self._proved > PROVED:
            self.whoami()

    def call(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Reply:
        """One answer. Errors: any `AdapterError`; `UnseenError` is a proof."""
        try:
            reply = super().call(method, path, params, body)
        except UnseenError:
            self.prove()
            raise
        self.quota.note(reply.headers)
        self._ahead = 0.0 if reply.date is None else reply.date - time.time()
        return reply

    def _explain(self, reply: Reply) -> AdapterError | None:
        """What a refusal means."""
        self.quota.note(reply.headers)
        code, at = reply.headers.get("x-error-code", ""), f"{reply.host} answered {reply.status}"
        match reply.status:
            case 301 | 302 | 307 | 308 if "location" in reply.headers:
                to = below(self.config.url, "", reply.headers["location"])
                return MovedError(reply.host, to.partition("?")[0])
            case 404 if code == "RepoNotFound":
                return UnseenError(f"{at}: there is no such repository, or the token may not see it")
            case 404 if code.endswith("NotFound"):
                return NotFoundError(f"{at}: {code}")
            case 404:
                return InvalidError(f"{at} and does not say what is missing: check `url`")
            case 401 if self.config.token is None:
                return AuthError(
                    f"{at}: it is private, gated or not there, which only a token tells: set `token`"
                )
            case 429 if reply.retry_after is None:
                line = f"{at}, the token's window of requests is spent: it is tried again later"
                return TransientError(line, retry_after=self.quota.seconds() or None)
        return None


def sound(raw: Any) -> Raw:
    """What is known of a repository, where it says who it is. Errors: `BadRecordError`."""
    at = NativeId(text(raw, "_id") or "", text(raw, "id") or "")
    if not is_readable(at.model):
        raise BadRecordError(
            f"a repository has no `_id` or `id` of the Hub's: {excerpt(raw)}", native=at.name
        )
    return {name: raw[name] for name in FIELDS if name in raw}


def of_commit(raw: Any) -> Raw:
    """What of a repository's row belongs to the commit at its head."""
    return {name: raw[name] for name in OF_COMMIT if isinstance(raw, dict) and name in raw}

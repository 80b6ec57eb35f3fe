"""The backend's API: authentication, single answers, and pages of a collection."""

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from pydantic import SecretStr

from adapters.errors import AdapterError, AuthError, BadRecordError, InvalidError, TransientError
from adapters.http import HttpClient, Reply, basic, below, check_count, next_page
from adapters.portions import Portion
from adapters.rest.config import COUNTED, CREDENTIALS, Paged, Paging, RestConfig
from adapters.rest.expressions import MappingError
from adapters.served import ServiceClient
from adapters.tokens import FORM

NOTHING: Mapping[str, str] = {}
MOST_BROKEN = 3
"""Records in succession that may fail by themselves: more, and it is the backend that fails."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page as the backend gave it. `next` is the cursor of the next, `at` the backend's clock (epoch seconds).

    `bad` is a record that stands there and fails by itself: then there are no items.
    """

    items: list[Any]
    next: str | None
    at: float | None
    bad: BadRecordError | None = None


class RestClient(ServiceClient):
    """One backend."""

    def __init__(self, config: RestConfig) -> None:
        self.config = config
        parts = urlsplit(config.url)
        origin, self.base = f"{parts.scheme}://{parts.netloc}", parts.path
        self.host = parts.netloc
        headers = {"Accept": "application/json", **config.headers, **_credential_header(config)}
        super().__init__(HttpClient(config.endpoint(origin, headers=headers)))
        self._asking = threading.Lock()
        self._portions: dict[str, Portion] = {}
        self._broken: Counter[str] = Counter()
        """Records in succession that failed by themselves, by listing."""

    def read(self, path: str, query: Mapping[str, Any] | None = None) -> Reply:
        """The answer to a GET."""
        return self.http.call("GET", self.base + path, params=query, headers=self._signed(), repeatable=True)

    def write(self, method: str, path: str, body: Any, etag: str | None) -> Reply:
        """The answer to a request that changes something. It is sent once."""
        match = {"If-Match": etag} if etag else {}
        return self.http.call(method, self.base + path, headers={**match, **self._signed()}, body=body)

    def page(
        self, pages: Paged, path: str, cursor: str | None, size: int, more: Mapping[str, str] = NOTHING
    ) -> Listed:
        """One page of a listing, a smaller one where so much is too much at once. Where records are counted, one that
        fails by itself is `bad`, and the next page begins behind it. `more` are further query parameters.

        Errors: any `AdapterError`; `InvalidError` when pages repeat, lead elsewhere or hold more than was asked for.
        """
        paging, name = pages.page, pages.path
        if not paging.size:
            return self._ask(pages, path, cursor, paging.size_value, more)
        portion = self._portions.setdefault(name, Portion(paging.size_value))
        try:
            found = portion.read(size, lambda some: self._ask(pages, path, cursor, some, more))
        except AdapterError as error:
            if not error.divisible or paging.style not in COUNTED or self._broken[name] == MOST_BROKEN:
                raise
            self._broken[name] += 1
            row = row_of(paging, cursor)
            bad = BadRecordError(
                f"record {row + 1} of {self.host}{path}: {error}", native=f"{path}#{row + 1}"
            )
            return Listed([], f"+{row + 1}", None, bad)
        self._broken[name] = 0
        return found

    def _ask(self, pages: Paged, path: str, cursor: str | None, size: int, more: Mapping[str, str]) -> Listed:
        paging, row, before = pages.page, 0, 0
        if paging.style in COUNTED:
            row = row_of(paging, cursor)
        if paging.size and paging.style == "page":
            size = _fitting(row, size)
            before = row % size
        target, query = self._place(pages, path, cursor, size)
        try:
            reply = self.read(target, query | dict(more))
        except AdapterError as error:
            if paging.end_status and error.status == paging.end_status and row:
                return Listed([], None, None)
            raise
        body = reply.json()
        try:
            items = pages.items.of(body)
            if not isinstance(items, list):
                raise InvalidError(
                    f"{self.host}{path}: `items` ({pages.items!s}) finds no list in the answer"
                )
            following = self._next(pages, reply, body, row - before, len(items), size)
        except MappingError as error:
            raise InvalidError(f"{self.host}{path}: {error}: correct `items` or `page`") from None
        if paging.size:
            check_count(f"{self.host}{path}", len(items), size)
        if following is not None and following == cursor:
            raise InvalidError(f"{self.host}{path}: the next page is this page again: correct `page.next`")
        if len(items) <= before and before:  # the list has shrunk: nothing stands behind the row
            return Listed([], None, reply.date)
        return Listed(items[before:], following, reply.date)

    def _place(self, pages: Paged, path: str, cursor: str | None, size: int) -> tuple[str, dict[str, Any]]:
        """Path and query of a page."""
        paging = pages.page
        query: dict[str, Any] = dict(pages.query)
        if paging.size:
            query[paging.size] = str(size)
        if paging.style in ("next_url", "link") and cursor is not None:
            parts = urlsplit(cursor)
            linked: dict[str, Any] = parse_qs(parts.query, keep_blank_values=True)
            if paging.size in linked:
                linked[paging.size] = str(size)
            return parts.path, linked
        if paging.style == "page":
            query[paging.param] = str(paging.first + row_of(paging, cursor) // size)
        elif paging.style == "offset" and cursor is not None:
            query[paging.param] = str(row_of(paging, cursor))
        elif paging.style == "cursor" and cursor is not None:
            query[paging.param] = cursor
        return path, query

    def _next(self, pages: Paged, reply: Reply, body: Any, row: int, came: int, size: int) -> str | None:
        """The cursor of the page behind one that begins at a row, where rows are counted."""
        paging = pages.page
        match paging.style:
            case "cursor":
                assert paging.next is not None
                found = paging.next.of(body)
                return str(found) if found not in (None, "", False) else None
            case "next_url":
                assert paging.next is not None
                found = paging.next.of(body)
                return below(self.config.url, pages.path, str(found)) if found else None
            case "link":
                return next_page(reply, self.config.url, pages.path)
            case "offset" | "page":
                goes_on = came > 0 and self._goes_on(pages, body, row, came, size)
                return f"+{row + (came if paging.style == 'offset' else size)}" if goes_on else None
            case _:
                return None

    def _goes_on(self, pages: Paged, body: Any, row: int, came: int, size: int) -> bool:
        """Whether something stands behind a page that is counted."""
        paging = pages.page
        if paging.total is None:
            return came >= size
        total = paging.total.of(body)
        if isinstance(total, bool) or not isinstance(total, int):
            raise MappingError(f"`page.total` ({paging.total!s}) finds {type(total).__name__}, not a number")
        if paging.style == "page" and came < size and row + came < total:
            # The service gives fewer at once, or a row has gone while it counted: a smaller page tells which.
            line = f"{self.host}{pages.path}: {came} records of {size} on a page, {total} in all"
            raise TransientError(f"{line}: make `page.size_value` smaller", divisible=True)
        return row + came < total

    def _signed(self) -> dict[str, str]:
        if self.config.auth != "oauth2":
            return {}
        with self._asking:
            return {"Authorization": f"Bearer {self.tokens.get() or self._token()}"}

    def _token(self) -> str:
        """A new token by OAuth2 client credentials, or by the service's own form. Errors: any `AdapterError`."""
        config = self.config
        form, auth = {"grant_type": "client_credentials", "scope": config.scope}, None
        if config.token_form:
            form = {name: text.format_map(_credentials(config)) for name, text in config.token_form.items()}
        elif config.client_secret is not None:
            auth = (config.client_id, config.client_secret)
        path = config.token_url if config.token_url.startswith("/") else ""
        asking = HttpClient(
            config.endpoint(config.url if path else config.token_url, headers=FORM, auth=auth),
            explain=_no_token,
            observer=self.http.observer,
        )
        try:
            given = urlencode({name: value for name, value in form.items() if value}).encode()
            reply = asking.call("POST", path, body=given, repeatable=True)
        finally:
            asking.close()
        try:
            found = reply.json()
            token, seconds = str(found["access_token"]), float(found.get("expires_in") or 300)
        except (AdapterError, ValueError, KeyError, TypeError, AttributeError):
            raise _no_token(reply) from None
        return self.tokens.keep(token, seconds)


def row_of(paging: Paging, cursor: str | None) -> int:
    """How many records stand before a page whose records are counted, or whose pages are. A cursor of a release before
    has no sign: it is a page's number where those are counted.
    """
    if cursor is None:
        return 0
    is_page = paging.style == "page" and not cursor.startswith("+")
    return (int(cursor) - paging.first) * paging.size_value if is_page else int(cursor)


def _fitting(row: int, most: int) -> int:
    """The size of numbered pages, up to `most`, of which one has the most rows from a row on."""
    return max(range(1, most + 1), key=lambda size: (size - row % size, size))


def _credential_header(config: RestConfig) -> dict[str, str]:
    """The header of what is shown with every request."""
    if config.auth == "bearer" and config.token is not None:
        return {"Authorization": f"Bearer {config.token.get_secret_value()}"}
    if config.auth == "api_key" and config.api_key is not None:
        return {config.api_key_header: config.api_key.get_secret_value()}
    if config.auth == "basic" and config.password is not None:
        return {"Authorization": basic(config.username, config.password)}
    return {}


def _credentials(config: RestConfig) -> dict[str, str]:
    """What a form that asks for a token may name."""
    found = {name: getattr(config, name) or "" for name in CREDENTIALS}
    return {n: v.get_secret_value() if isinstance(v, SecretStr) else v for n, v in found.items()}


def _no_token(reply: Reply) -> AdapterError:
    """The error for an answer without a token."""
    if reply.status >= 500 or reply.status == 429:
        return TransientError(
            f"{reply.host} answered {reply.status} instead of a token: it is tried again later",
            retry_after=reply.retry_after,
        )
    return AuthError(
        f"{reply.host} answered {reply.status} without a token: check `client_id`, `client_secret` and `scope`"
    )


def fill(path: str, values: Mapping[str, Any]) -> str:
    """A path with its names replaced by values, percent-encoded whole. Errors: `InvalidError` for `.` and `..`."""

    def encoded(match: re.Match[str]) -> str:
        value = str(values[match[1]])
        if value in ("", ".", ".."):
            raise InvalidError(f"{value!r} cannot stand in a path: rename it in the backend")
        return quote(value, safe="")

    return re.sub(r"\{(\w+)\}", encoded, path)

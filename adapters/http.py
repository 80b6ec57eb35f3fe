"""The HTTP client that adapters for REST backends share: JSON, credentials and retries above `adapters.outgoing`.

One call has one deadline over all its attempts; it is repeated only where that is harmless and the budget lasts. Every
failure leaves as an `AdapterError` whose one line names the host, the cause and the remedy. What a backend says may
hold what it was sent: the federation takes secrets out of every error, in one place for all adapters.
"""

import base64
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import IOBase
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from pydantic import SecretStr
from pydantic_core import from_json

from adapters.calls import proceed
from adapters.contract import Observer
from adapters.errors import (
    AdapterError,
    AuthError,
    ConflictError,
    InvalidError,
    NotFoundError,
    TransientError,
)
from adapters.exchanges import refuse_address
from adapters.outgoing import CONNECTIONS, HttpError, HttpStream, Network, Pool
from adapters.pacing import LARGE, paced
from adapters.parsing import holds_more_values, storable


class TooLargeError(InvalidError):
    """The answer is larger than the caller lets it be: ask for less at once."""

    divisible = True


ATTEMPTS = 3
LARGE_WITHIN = 110.0
"""Seconds in which something large begins to come, and goes on: MLflow's proxy fetches a file whole before it answers,
and its client waits for 120 s.
"""
LONGEST_PAUSE = 5.0
"""Seconds. A longer pause that the backend asks for is left to the caller: `TransientError.retry_after`."""


LONGEST_REFUSAL = 1 << 16
"""Bytes that are read of the answer to a request that was refused."""
LONGEST_DETAIL = 16_000
"""Characters of an error that are passed on. It is cut for people where secrets have been taken out of it."""
LONGEST_PART = 1 << 16
"""Characters of a path or parameter. No server of note takes an address of so many."""
MOST_VALUES = 500_000
"""Values of one JSON answer: each costs memory beyond its bytes, up to 60 times as much."""
NEXT_LINK = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)
"""The next page, in the header `Link`."""
_IN_A_PATH = "/%:@!$&'()*+,;=~"
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
UNSTORABLE_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was read to its end. `host` is where it came from, as shown in messages."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str

    def json(self) -> Any:
        """The body as JSON; characters that no database stores (NUL, half of a pair) are replaced by U+FFFD.

        A large one is paced. Errors: `TransientError` for anything else, such as a login page; `TooLargeError` for
        more than `MOST_VALUES`.
        """
        with paced() if len(self.body) > LARGE else nullcontext():
            return self._parsed()

    def _parsed(self) -> Any:
        if holds_more_values(self.body, MOST_VALUES):
            raise TooLargeError(
                f"{self.host} answered with more than {MOST_VALUES:,} values: make its pages smaller"
            )
        try:
            if b"\\" in self.body and UNSTORABLE_ESCAPE.search(self.body):
                return storable(json.loads(self.body))
            return from_json(self.body)
        except (ValueError, RecursionError):
            raise TransientError(
                f"{self.host} answered {self.status} with {self._looks_like()} instead of JSON: check that "
                "`url` is the address of the API itself, not of a login page or a proxy"
            ) from None

    def detail(self) -> str:
        """What a JSON error says of itself, as it came; empty when it says nothing."""
        try:
            body = self.json()
        except AdapterError:
            return ""
        if not isinstance(body, dict):
            return ""
        inside = body.get("error")
        said = [body.get(name) for name in ("message", "detail", "error")]
        said += [inside.get("message")] if isinstance(inside, dict) else []
        found = next((one for one in said if isinstance(one, str)), "")
        return found[:LONGEST_DETAIL].strip()

    @property
    def is_json(self) -> bool:
        """Whether the body is a JSON object or array: the API itself has spoken, not something before it."""
        return "json" in self.headers.get("content-type", "") and self.body[:1] in (b"{", b"[")

    @property
    def retry_after(self) -> float | None:
        """Seconds the backend wants us to wait, or None."""
        value = self.headers.get("retry-after", "").strip()
        if value.isdigit():
            return float(value[:9])
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return None
        return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())

    @property
    def date(self) -> float | None:
        """The backend's own clock, in seconds since 1970, or None."""
        try:
            return parsedate_to_datetime(self.headers["date"]).timestamp()
        except (KeyError, ValueError):
            return None

    def _looks_like(self) -> str:
        start = self.body.lstrip()[:1]
        return "a web page" if start == b"<" else "an empty body" if not start else "something"


Explain = Callable[[Reply], AdapterError | None]
"""Turns a refusal into an error in a backend's own terms, or leaves it (None) to `refusal`."""


def refusal(reply: Reply) -> AdapterError:
    """The error for an answer that is not 2xx, by its status alone."""
    said = f": {reply.detail()}" if reply.detail() else ""
    at = f"{reply.host} answered {reply.status}"
    match reply.status:
        case 401:
            return AuthError(
                f"{at}, credentials missing, wrong or expired{said}: renew the registry's credentials"
            )
        case 403:
            return AuthError(f"{at}, permission missing{said}: give it to the registry's credentials")
        case 404 | 410 if reply.is_json:
            return NotFoundError(f"{at}, not found{said}")
        case 404 | 405 | 410:
            strange = "" if reply.is_json else " without JSON"
            return InvalidError(f"{at}{strange}, there is no such API: check the registry's `url`")
        case 409 | 412:
            return ConflictError(f"{at}, conflict{said}: read it again")
        case status if status == 429 or status >= 500 or status in (408, 425):
            broke = status in (408, 500, 502, 504)
            line = f"{at}{said}: it is tried again later"
            return TransientError(line, retry_after=reply.retry_after, divisible=broke)
        case status if 300 <= status < 400:
            return InvalidError(f"{at}, a redirect, which is not followed: set `url` to the final address")
        case status:
            return InvalidError(f"{at}, it refused the request{said}", divisible=status in (400, 413, 414))


@dataclass(slots=True)
class RetryBudget:
    """Retries are paid from what successes put in, so that a backend in trouble is not given more of it."""

    tokens: float = 10.0
    capacity: float = 10.0
    gain: float = 0.1
    lock: threading.Lock = field(default_factory=threading.Lock)

    def earn(self) -> None:
        """A call has succeeded."""
        with self.lock:
            self.tokens = min(self.capacity, self.tokens + self.gain)

    def spend(self) -> bool:
        """Take one retry, if there is one."""
        with self.lock:
            if self.tokens < 1:
                return False
            self.tokens -= 1
            return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a backend is and how it is spoken to."""

    url: str
    timeout: float
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: tuple[str, SecretStr] | None = field(default=None, repr=False)
    allowed_networks: tuple[Network, ...] = ()
    verify: bool = True
    ca_file: Path | None = None
    connections: int = CONNECTIONS
    """How many requests may be under way at once."""


class HttpClient:
    """Calls one backend. Nothing is opened before the first call. Safe for several threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        explain: Explain = lambda reply: None,
        observer: Observer = lambda method, path, status, seconds: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = endpoint
        self.observer = observer
        """Told of every attempt: method, path, status (None without an answer), seconds."""
        self.host = urlsplit(endpoint.url).netloc.rpartition("@")[2]
        self._explain = explain
        self._sleep = sleep
        self._budget = RetryBudget()
        self._pool: Pool | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"HttpClient({self.host})"

    def get(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON that a GET answers."""
        return self.call("GET", path, params=params, headers=headers, repeatable=True).json()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        repeatable: bool = False,
        max_bytes: int | None = None,
    ) -> Reply:
        """One 2xx answer. `path` is appended to the endpoint's URL; `body` is sent as JSON, bytes and open files as
        they are; `headers` take the place of the endpoint's.

        Only a `repeatable` call is retried. Errors: any `AdapterError`; without `repeatable`, a
        `TransientError` means that the call may have been applied.
        """
        deadline = time.monotonic() + min(self.endpoint.timeout, proceed())
        limit = max_bytes or self.endpoint.max_bytes
        for attempt in range(1, ATTEMPTS + 1):
            try:
                reply = self._attempt(
                    method, path, params, self._headers(body, headers), body, deadline, limit
                )
                self._budget.earn()
                return reply
            except TransientError as error:
                pause = (
                    error.retry_after
                    if error.retry_after is not None
                    else random.uniform(0.1, 0.3) * 2**attempt
                )
                hopeless = (
                    attempt == ATTEMPTS or pause > LONGEST_PAUSE or time.monotonic() + pause >= deadline
                )
                if not repeatable or hopeless or not self._budget.spend():
                    raise
            self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str] | None = None, *, url: str | None = None
    ) -> Iterator[HttpStream]:
        """A 2xx answer to a GET of something large, piece by piece, the first within `LARGE_WITHIN`; `url` is a whole
        address in place of a path, which is shown none of the endpoint's headers. Errors: any `AdapterError`, also
        while the pieces come.
        """
        started, status = time.monotonic(), None
        sent = dict(headers or {}) if url is not None else self._headers(None, headers)
        patience = max(LARGE_WITHIN, self.endpoint.timeout)
        deadline = started + min(patience, proceed())
        try:
            whole = url if url is not None else _joined(self.endpoint.url, path, None)
            opened = self._open().stream(whole, headers=sent, deadline=deadline, idle=patience)
            with opened as answer:
                status = answer.status
                if status // 100 != 2:
                    raise self._refused(answer)
                yield answer
        except HttpError as error:
            raise self._described(error, patience) from None
        finally:
            self.observer("GET", path, status, time.monotonic() - started)

    def _refused(self, answer: HttpStream) -> AdapterError:
        body = b""
        for piece in answer.pieces:
            body += piece
            if len(body) > LONGEST_REFUSAL:
                break
        reply = Reply(answer.status, answer.headers, body[:LONGEST_REFUSAL], self.host)
        return self._explain(reply) or refusal(reply)

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every attempt from now on."""
        self.observer = observer

    def close(self) -> None:
        """Close every connection. A later call opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _attempt(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        body: Any,
        deadline: float,
        limit: int,
    ) -> Reply:
        started = time.monotonic()
        status: int | None = None
        try:
            answer = self._open().request(
                method,
                _joined(self.endpoint.url, path, params),
                headers=headers,
                body=body if _is_raw(body) else _compact(body).encode(),
                deadline=deadline,
                most=limit,
            )
            status = answer.status
        except HttpError as error:
            status = error.status
            raise self._described(error, self.endpoint.timeout) from None
        except UnicodeError:
            raise InvalidError(f"{self.host} cannot be asked this: the address is not a valid one") from None
        finally:
            self.observer(method, path, status, time.monotonic() - started)
        reply = Reply(answer.status, answer.headers, answer.body, self.host)
        if reply.status // 100 == 2:
            return reply
        refused = self._explain(reply) or refusal(reply)
        refused.status = reply.status
        raise refused

    def _headers(self, body: Any, more: Mapping[str, str] | None) -> dict[str, str]:
        found = {**self.endpoint.headers, **(more or {})}
        if self.endpoint.auth:
            name, password = self.endpoint.auth
            found["Authorization"] = basic(name, password)
        if not _is_raw(body):
            found["Content-Type"] = "application/json"
        return found

    def _open(self) -> Pool:
        with self._lock:
            if self._pool is None:
                endpoint = self.endpoint
                self._pool = Pool(
                    networks=endpoint.allowed_networks,
                    verify=endpoint.verify,
                    ca_file=endpoint.ca_file,
                    connections=endpoint.connections,
                )
            return self._pool

    def _described(self, error: HttpError, patience: float) -> AdapterError:
        seconds = f"{patience:g} s"
        line = f"{self.host} {error}"
        match error.reason:
            case "address" | "authority":
                return InvalidError(line)
            case "connect":
                return TransientError(f"{line}: check `url`, and that it is running")
            case "certificate":
                return TransientError(f"{line}: set `ca_file` to its authority")
            case "network":
                return InvalidError(f"{line}; add its network if that is right")
            case "unconnected":
                return TransientError(f"{line}: check `url` and the network")
            case "unanswered":
                slow = f"{line} within {seconds}: raise `timeout` if it is only slow"
                return TransientError(slow, divisible=True)
            case "unfinished":
                slow = f"{line} after {seconds}: raise `timeout` if it is only slow"
                return TransientError(slow, divisible=True)
            case "packed":
                return TransientError(f"{line}: check what stands before it")
            case "large":
                return TooLargeError(f"{line}: raise `max_response_mb`, or make its pages smaller")
            case "broken":
                return TransientError(f"{line}: it is tried again later")


def _is_raw(body: object) -> bool:
    """Whether it is sent as it is: nothing, bytes or an open file."""
    return body is None or isinstance(body, bytes | IOBase)


def check_count(host: str, came: int, asked: int) -> None:
    """What was asked for is the bound of a page. Errors: `InvalidError`; asking such a backend for less is no use."""
    if came > asked:
        raise InvalidError(
            f"{host} answered with {came:,} records, more than the {asked:,} that were asked for: check what it is, "
            "or what stands before it"
        )


def next_page(reply: Reply, url: str, path: str) -> str | None:
    """Path and query, below `url`, of the page that the header `Link` says follows the one at `path`; None: no more.

    Errors: `InvalidError` where that is outside of `url`.
    """
    found = NEXT_LINK.search(reply.headers.get("link", ""))
    return below(url, path, found[1]) if found else None


def below(url: str, path: str, address: str) -> str:
    """Path and query, below `url`, of an address that the answer at `path` names. Errors: `InvalidError`."""
    base = urlsplit(url.rstrip("/"))
    try:
        whole = urlsplit(urljoin(f"{url.rstrip('/')}{path}", address))
    except ValueError:
        whole = urlsplit("")
    if whole[:2] != base[:2] or not f"{whole.path}/".startswith(f"{base.path}/"):
        raise InvalidError(
            f"{base.netloc}: the next page is said to be at {whole.netloc or 'nowhere'}, outside the configured "
            "`url`: it was not asked for"
        )
    return f"{whole.path.removeprefix(base.path)}?{whole.query}"


def basic(name: str, password: SecretStr) -> str:
    """The header `Authorization` of HTTP's basic authentication."""
    pair = f"{name}:{password.get_secret_value()}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _joined(url: str, path: str, params: Mapping[str, Any] | None) -> str:
    """The address below `url`. A parameter that is None is left out, a list is given once for each of its values.

    Errors: `HttpError`.
    """
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in (params or {}).items()
        if value is not None
    }
    if any(len(part) > LONGEST_PART for part in (path, *given.values()) if isinstance(part, str)):
        refuse_address()  # such as a page token without end; to escape it would take as long as to read it
    whole = url.rstrip("/") + quote(path, safe=_IN_A_PATH) if path else url
    return f"{whole}?{urlencode(given, doseq=True)}" if given else whole

"""The HTTP client that adapters for REST backends share.

One call has one deadline, a capped answer, no redirects, and retries only where repeating is harmless and the budget
lasts. Proxies and `.netrc` of the environment are ignored: a backend is what the configuration names. Every failure
leaves as an `AdapterError` whose one line names the host, the cause and the remedy, and never a credential.
"""

import ipaddress
import json
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from adapters.contract import Observer
from adapters.errors import (
    AdapterError,
    AuthError,
    ConflictError,
    InvalidError,
    NotFoundError,
    TransientError,
)
from adapters.parsing import storable


class TooLargeError(InvalidError):
    """The answer is larger than the caller lets it be: ask for less at once."""


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ATTEMPTS = 3
LONGEST_PAUSE = 5.0
"""Seconds. A longer pause that the backend asks for is left to the caller: `TransientError.retry_after`."""


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

        Errors: `TransientError` for anything else, such as a login page.
        """
        try:
            loaded = json.loads(self.body)
            return storable(loaded) if UNSTORABLE_ESCAPE.search(self.body) else loaded
        except (ValueError, RecursionError):
            raise TransientError(
                f"{self.host} answered {self.status} with {self._looks_like()} instead of JSON: check that "
                "`url` is the address of the API itself, not of a login page or a proxy"
            ) from None

    def detail(self) -> str:
        """What a JSON error says of itself, at most 200 characters; empty when it says nothing."""
        try:
            body = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(body, dict):
            return ""
        found = next(
            (body[key] for key in ("message", "detail", "error") if isinstance(body.get(key), str)), ""
        )
        return " ".join(found.split())[:200]

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
            return InvalidError(f"{at}, there is no such API: check the registry's `url`")
        case 409 | 412:
            return ConflictError(f"{at}, conflict{said}: read it again")
        case status if status == 429 or status >= 500 or status in (408, 425):
            return TransientError(f"{at}{said}: it is tried again later", retry_after=reply.retry_after)
        case status if 300 <= status < 400:
            return InvalidError(f"{at}, a redirect, which is not followed: set `url` to the final address")
        case _:
            return InvalidError(f"{at}, it refused the request{said}")


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
    """Where a backend is and how it is spoken to. `secrets` are blotted out of every message."""

    url: str
    timeout: float
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: tuple[str, SecretStr] | None = field(default=None, repr=False)
    secrets: tuple[SecretStr, ...] = field(default=(), repr=False)
    allowed_networks: tuple[Network, ...] = ()
    verify: bool = True
    ca_file: Path | None = None


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
        self.host = httpx.URL(endpoint.url).netloc.decode("ascii", "replace")
        self._explain = explain
        self._sleep = sleep
        self._budget = RetryBudget()
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()
        revealed = (secret.get_secret_value() for secret in (*endpoint.secrets, *_password(endpoint)))
        self._blots = tuple(sorted({text for text in revealed if text}, key=len, reverse=True))

    def __repr__(self) -> str:
        return f"HttpClient({self.host})"

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON that a GET answers."""
        return self.call("GET", path, params=params, repeatable=True).json()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        repeatable: bool = False,
        max_bytes: int | None = None,
    ) -> Reply:
        """One 2xx answer. `path` is appended to the endpoint's URL; `body` is sent as JSON.

        Only a `repeatable` call is retried. Errors: any `AdapterError`; without `repeatable`, a
        `TransientError` means that the call may have been applied.
        """
        deadline = time.monotonic() + self.endpoint.timeout
        limit = max_bytes or self.endpoint.max_bytes
        for attempt in range(1, ATTEMPTS + 1):
            try:
                reply = self._attempt(method, path, params, body, deadline, limit)
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

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every attempt from now on."""
        self.observer = observer

    def close(self) -> None:
        """Close every connection. A later call opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def redact(self, text: str) -> str:
        """The text without any of this endpoint's secrets."""
        for secret in self._blots:
            text = text.replace(secret, "***")
        return text

    def _attempt(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Any, deadline: float, limit: int
    ) -> Reply:
        started = time.monotonic()
        status: int | None = None
        try:
            remaining = max(0.001, deadline - started)
            request = self._open().build_request(
                method,
                self.endpoint.url.rstrip("/") + path,
                params={k: v for k, v in (params or {}).items() if v is not None},
                json=body,
                timeout=httpx.Timeout(remaining, connect=min(10.0, remaining)),
                extensions={"trace": self._check_peer} if self.endpoint.allowed_networks else {},
            )
            response = self._open().send(request, stream=True)
            try:
                status = response.status_code
                reply = self._read(response, deadline, limit)
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise TransientError(self._describe(error)) from None
        except (httpx.InvalidURL, httpx.CookieConflict, UnicodeError):
            raise InvalidError(f"{self.host} cannot be asked this: the address is not a valid one") from None
        finally:
            self.observer(method, path, status, time.monotonic() - started)
        if reply.status // 100 == 2:
            return reply
        refused = self._explain(reply) or refusal(reply)
        refused.args = (self.redact(str(refused)),)
        raise refused

    def _read(self, response: httpx.Response, deadline: float, limit: int) -> Reply:
        chunks: list[bytes] = []
        size = 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > limit:
                raise TooLargeError(
                    f"{self.host} answered with more than {limit / 1048576:.3g} MiB: raise "
                    "`max_response_mb`, or make its pages smaller"
                )
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{self.host} was still sending after {self.endpoint.timeout:g} s: raise `timeout` if "
                    "it is only slow"
                )
            chunks.append(chunk)
        return Reply(response.status_code, response.headers, b"".join(chunks), self.host)

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                endpoint = self.endpoint
                self._client = httpx.Client(
                    headers=dict(endpoint.headers),
                    auth=(endpoint.auth[0], endpoint.auth[1].get_secret_value()) if endpoint.auth else None,
                    verify=self._trust(),
                    trust_env=False,
                    follow_redirects=False,
                    limits=httpx.Limits(max_connections=4, keepalive_expiry=30.0),
                )
            return self._client

    def _trust(self) -> ssl.SSLContext | bool:
        if self.endpoint.ca_file is None or not self.endpoint.verify:
            return self.endpoint.verify and self.endpoint.url.startswith("https:")
        try:
            return ssl.create_default_context(cafile=str(self.endpoint.ca_file))
        except OSError:
            raise InvalidError(
                f"the CA file for {self.host} cannot be read: check `ca_file` ({self.endpoint.ca_file})"
            ) from None

    def _check_peer(self, event: str, info: dict[str, Any]) -> None:
        """Refuse a peer outside the allowed networks as soon as it is connected, before anything is sent."""
        if event != "connection.connect_tcp.complete":
            return
        stream = info["return_value"]
        peer = stream.get_extra_info("server_addr")[0]
        if not is_allowed(peer, self.endpoint.allowed_networks):
            stream.close()
            raise InvalidError(
                f"{self.host} is at {peer}, outside `allowed_networks`: nothing was sent; add its "
                "network if that is right"
            )

    def _describe(self, error: httpx.HTTPError) -> str:
        timeout = f"{self.endpoint.timeout:g} s"
        match error:
            case httpx.ConnectTimeout():
                return f"{self.host} could not be connected to in time: check `url` and the network"
            case httpx.ConnectError() if "CERTIFICATE" in str(error).upper():
                return f"{self.host} has a certificate that is not trusted: set `ca_file` to its authority"
            case httpx.ConnectError():
                return f"{self.host} cannot be connected to: check `url`, and that it is running"
            case httpx.TimeoutException():
                return f"{self.host} did not answer within {timeout}: raise `timeout` if it is only slow"
            case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
                return f"{self.host} broke the connection off: it is tried again later"
            case httpx.DecodingError():
                return f"{self.host} sent a body that cannot be decompressed: check what stands before it"
            case _:
                return f"{self.host} could not be asked ({type(error).__name__}): it is tried again later"


def is_allowed(address: str, networks: Iterable[Network]) -> bool:
    """Whether an IP address (IPv4 in IPv6 clothes included) lies in one of the networks."""
    peer = ipaddress.ip_address(address.partition("%")[0])
    plain = getattr(peer, "ipv4_mapped", None) or peer
    return any(plain.version == network.version and plain in network for network in networks)


def _password(endpoint: Endpoint) -> tuple[SecretStr, ...]:
    return (endpoint.auth[1],) if endpoint.auth else ()

"""The seam of the command line: every data command asks by method and path, as of the HTTP API, and gets its JSON.

With `--url` that goes over the network; without, `gateway.cli.here` answers it in this process, by the same faces as
the API. Nothing heavy is imported before it is needed: a command with `--url` starts without the server, the database
and the adapters, and one without starts without HTTP.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from federation.references import Reference, parse
from gateway.cli.asked import AnsweredProblemError, Gateway, given
from gateway.cli.failure import UNREACHABLE, CommandError
from gateway.cli.invocation import TOKEN, URL, Invocation
from gateway.cli.screen import say
from gateway.start import starting

if TYPE_CHECKING:
    import httpx


API = "/api/v1"
PATIENCE, CONNECT_PATIENCE = 120.0, 5.0
POSITION = "Waypost-Position"
PARTS = re.compile("[:@]")
VISIBLE = re.compile("[!-~]*")


@dataclass(slots=True)
class Remote(Gateway):
    """A running gateway, at an address."""

    send: Callable[..., "httpx.Response"]
    """Called with method, path and the options of httpx's `request`. Errors: httpx's."""
    where: str
    stream: "Callable[..., AbstractContextManager[httpx.Response]]"
    """httpx's `stream`."""
    position: str | None = None
    """What this command has caused; sent with its next reads, which wait until it can be seen."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        response = self._fetch(method, path, query or {}, body, headers or {})
        try:
            return response.json() if response.content else None
        except ValueError:
            raise CommandError(
                f"{self.where} does not answer like a Waypost gateway: check --url", UNREACHABLE
            ) from None

    def ready(self) -> Any:
        """How the parts of the gateway stand, as `/health/ready` says, also where it is not ready. Errors:
        `CommandError`.
        """
        response = self._sent("GET", "/health/ready", {})
        with suppress(ValueError):
            found = response.json()
            if isinstance(found, dict) and isinstance(found.get("parts"), list):
                return found
        raise _problem(response, self.where)

    def text(self, path: str, **query: Any) -> str:
        return self._fetch("GET", path, query, None, {}).text

    def download(self, path: str, query: Mapping[str, Any]) -> Iterator[bytes]:
        """The answer to a GET in pieces as they arrive. Errors: `CommandError`."""
        import httpx

        options = {"params": _texts(query), "headers": dict(self.headers)}
        try:
            with self.stream("GET", f"{API}{path}", **options) as response:
                if response.status_code >= 300:
                    response.read()
                    raise _problem(response, self.where)
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise CommandError(f"{self.where} cannot be reached: {error}", UNREACHABLE) from None

    def _fetch(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, headers: Mapping[str, str]
    ) -> "httpx.Response":
        """One request; returns an answer below 300. Errors: `CommandError`."""
        sent = {**self.headers, **headers, **({POSITION: self.position} if self.position else {})}
        options = {} if body is None else {"json": body}
        response = self._sent(method, f"{API}{path}", sent, params=_texts(query), **options)
        if response.status_code >= 300:
            raise _problem(response, self.where)
        self.position = response.headers.get(POSITION, self.position)
        return response

    def _sent(
        self, method: str, address: str, headers: Mapping[str, str], **options: Any
    ) -> "httpx.Response":
        """One request; returns whatever is answered. Errors: `CommandError`."""
        import httpx

        try:
            return self.send(method, address, headers=headers, **options)
        except httpx.TimeoutException:
            raise CommandError(f"{self.where} did not answer in time", UNREACHABLE) from None
        except httpx.HTTPError as error:
            raise CommandError(f"{self.where} cannot be reached: {error}", UNREACHABLE) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise CommandError(f"--url {self.where} cannot be used: {error}") from None


def of_reference(reference: str) -> str:
    """A reference as part of a path: one string, encoded once more. Errors: `CommandError` for none."""
    if not reference.strip("/ "):
        raise CommandError("an empty reference names nothing: registry/model, or registry/model:version")
    return quote(reference, safe="/:@")


def whole(gateway: Gateway, reference: str) -> Reference:
    """A reference without a registry with that of the only model that is called so. Errors: `ReferenceSyntaxError`,
    `CommandError`.
    """
    found = gateway.get(f"/models/{of_reference(PARTS.split(reference, maxsplit=1)[0])}")
    return parse(reference, default_registry=found["registry"])


def tell_where_unknown(gateway: Gateway, reference: str) -> None:
    """Tell the user of a reference that was taken although it names nothing yet: perhaps it is misspelt."""
    try:
        gateway.get(f"/{'models' if is_model(reference) else 'versions'}/{of_reference(reference)}")
    except AnsweredProblemError as error:
        if error.status == 404:
            say(f"{reference} names nothing yet: {error}")


def has_registry(reference: str) -> bool:
    """Whether a registry stands before the model."""
    return "/" in PARTS.split(reference, maxsplit=1)[0]


def is_model(reference: str) -> bool:
    """Whether it names a model and nothing of it."""
    return PARTS.search(reference) is None


def only_here(invocation: Invocation, why: str) -> Invocation:
    """The invocation of a command that asks no running gateway, for the reason given. Errors: `CommandError`."""
    if invocation.url:
        is_of_the_environment = invocation.url == Invocation.of(None, "", json=False).url
        raise CommandError(
            f"{why}: {f'unset {URL}' if is_of_the_environment else 'leave --url out'}, use --config"
        )
    return invocation


@contextmanager
def connect(invocation: Invocation, patience: float = PATIENCE) -> Iterator[Gateway]:
    """The gateway a command talks to, which has `patience` seconds for an answer. Errors: `CommandError` and those of
    `embedded`.
    """
    with remote(invocation.url, patience) if invocation.url else embedded(invocation) as gateway:
        yield gateway


def get(invocation: Invocation, path: str, **query: Any) -> Any:
    """What a command reads that asks once. Errors: those of `connect` and `Gateway.get`."""
    with connect(invocation) as gateway:
        return gateway.get(path, **query)


def ask(
    invocation: Invocation,
    method: str,
    path: str,
    *,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
) -> Any:
    """The same of any other request. Errors: those of `connect` and `Gateway.ask`."""
    with connect(invocation) as gateway:
        return gateway.ask(method, path, query=query, body=body)


@contextmanager
def remote(url: str, patience: float = PATIENCE) -> Iterator[Remote]:
    """A running gateway."""
    require_address(url)
    with starting():
        import ssl

        httpx = _httpx()
    token = os.environ.get(TOKEN, "").strip()
    if not VISIBLE.fullmatch(token):
        raise CommandError(
            f"{TOKEN} holds no token: blanks or characters are in it that no token has; copy it anew"
        )
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = httpx.Timeout(patience, connect=min(patience, CONNECT_PATIENCE))
    parts = urlsplit(url)
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    # Reading the authorities takes as long as a request, and without TLS nothing asks them. This context trusts nobody.
    verify: Any = True if parts.scheme == "https" or not is_here else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with httpx.Client(base_url=url, timeout=timeout, trust_env=not is_here, verify=verify) as client:
        yield Remote(client.request, url, client.stream, headers=headers)


def _httpx() -> Any:
    """httpx without its own command line, which brings three libraries and takes most of its import."""
    if "httpx" not in sys.modules:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # httpx goes on without it
    import httpx

    return httpx


def require_address(url: str) -> None:
    """Errors: `CommandError` for what is no address of a gateway."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise CommandError(f"--url (or {URL}) is an address such as http://127.0.0.1:8080, not {url}")


@contextmanager
def embedded(invocation: Invocation) -> Iterator[Gateway]:
    """The gateway in this process, on the configured database.

    Errors: `SettingsError`, `DatabaseError`, `RegistryError`.
    """
    with starting():
        from gateway.cli.here import Here
        from gateway.cli.local import opened

    with opened(invocation) as waypost:
        yield Here(waypost)


def _texts(query: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: str(value).lower() if isinstance(value, bool) else value for name, value in given(query).items()
    }


def _problem(response: "httpx.Response", where: str) -> CommandError:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "status" not in body:
        return CommandError(
            f"{where} answered {response.status_code} and is no Waypost gateway: check --url", UNREACHABLE
        )
    return AnsweredProblemError(response.status_code, body)

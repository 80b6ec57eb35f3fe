"""The seam of the command line: every data command speaks the HTTP API's JSON.

With `--url` it goes over the network; without, through the same application in this process, on the configured
database. So each read and write is implemented once. Nothing heavy is imported before it is needed: a command
with `--url` starts without the server, the database and the adapters.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from gateway.cli.failure import UNREACHABLE, USAGE, CommandError
from gateway.cli.invocation import DEBUG, TOKEN, URL, Invocation
from gateway.start import starting

if TYPE_CHECKING:
    import httpx

    from gateway.waypost import Waypost

API = "/api/v1"
PATIENCE, CONNECT_PATIENCE = 120.0, 5.0
POSITION = "Waypost-Position"


class ProblemError(CommandError):
    """The API answered with a problem. `body` is its JSON (RFC 9457)."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        detail = str(body.get("detail") or body.get("title") or f"the gateway answered {status}")
        if status == 401:
            detail += f" (the token is taken from {TOKEN})"
        super().__init__(detail, UNREACHABLE if status >= 500 else USAGE)
        self.status = status
        self.body = body


@dataclass(slots=True)
class Gateway:
    """The HTTP API of a gateway. `waypost` is there where it runs in this process."""

    send: Callable[..., "httpx.Response"]
    """Called with method, path and the options of httpx's `request`. Errors: httpx's."""
    where: str
    waypost: "Waypost | None" = None
    position: str | None = None
    """What this command has caused; sent with its next reads, which wait until it can be seen."""
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: "Callable[..., AbstractContextManager[httpx.Response]] | None" = None
    """httpx's `stream`, where the gateway is elsewhere."""

    def get(self, path: str, **query: Any) -> Any:
        """Read; parameters that are None or empty are left out. Errors: `CommandError`."""
        return self.ask("GET", path, query=query)

    def text(self, path: str, **query: Any) -> str:
        """Read what is no JSON. Errors: `CommandError`."""
        return self.fetch("GET", f"{API}{path}", query=query).text

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
        response = self.fetch(method, f"{API}{path}", query=query, body=body, headers=headers)
        try:
            return response.json() if response.content else None
        except ValueError:
            raise CommandError(
                f"{self.where} does not answer like a Waypost gateway: check --url", UNREACHABLE
            ) from None

    def fetch(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> "httpx.Response":
        """One request, by its whole path; returns an answer below 400. Errors: `CommandError`."""
        import httpx

        sent = {**self.headers, **(headers or {}), **({POSITION: self.position} if self.position else {})}
        chosen = {name: _plain(value) for name, value in (query or {}).items() if value not in (None, "", [])}
        options = {} if body is None else {"json": body}
        try:
            response = self.send(method, path, params=chosen, headers=sent, **options)
        except httpx.TimeoutException:
            raise CommandError(f"{self.where} did not answer in time", UNREACHABLE) from None
        except httpx.HTTPError as error:
            raise CommandError(f"{self.where} cannot be reached: {error}", UNREACHABLE) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise CommandError(f"--url {self.where} cannot be used: {error}") from None
        if response.status_code >= 300:
            raise _problem(response, self.where, here=self.waypost is not None)
        self.position = response.headers.get(POSITION, self.position)
        return response

    def download(self, path: str, query: Mapping[str, Any]) -> Iterator[bytes]:
        """The answer to a GET in pieces as they arrive, from a gateway elsewhere. Errors: `CommandError`."""
        import httpx

        assert self.stream is not None
        chosen = {name: _plain(value) for name, value in query.items() if value not in (None, "", [])}
        try:
            with self.stream("GET", f"{API}{path}", params=chosen, headers=dict(self.headers)) as response:
                if response.status_code >= 300:
                    response.read()
                    raise _problem(response, self.where)
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise CommandError(f"{self.where} cannot be reached: {error}", UNREACHABLE) from None


def of_reference(reference: str) -> str:
    """A reference as part of a path: one string, encoded once more."""
    return quote(reference, safe="/:@")


@contextmanager
def connect(invocation: Invocation) -> Iterator[Gateway]:
    """The gateway a command talks to. Errors: `CommandError` and those of `embedded`."""
    with remote(invocation.url) if invocation.url else embedded(invocation) as gateway:
        yield gateway


@contextmanager
def remote(url: str) -> Iterator[Gateway]:
    """A running gateway."""
    import httpx

    require_address(url)
    token = os.environ.get(TOKEN, "").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = httpx.Timeout(PATIENCE, connect=CONNECT_PATIENCE)
    is_here = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    with httpx.Client(base_url=url, timeout=timeout, trust_env=not is_here) as client:
        yield Gateway(client.request, url, headers=headers, stream=client.stream)


def require_address(url: str) -> None:
    """Errors: `CommandError` for what is no address of a gateway."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise CommandError(f"--url (or {URL}) is an address such as http://127.0.0.1:8080, not {url}")


@contextmanager
def embedded(invocation: Invocation) -> Iterator[Gateway]:
    """The application in this process, on the configured database.

    Errors: `SettingsError`, `DatabaseError`, `RegistryError`.
    """
    with starting():
        import asyncio

        import httpx

        from gateway.app import bring, create_embedded
        from gateway.cli.local import catch_up, opened
        from gateway.waypost import FOLLOWERS

    with opened(invocation) as waypost, asyncio.Runner() as runner:
        front = create_embedded(waypost)
        transport = httpx.ASGITransport(app=front)  # type: ignore[arg-type]
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost")

        def send(method: str, path: str, **options: Any) -> httpx.Response:
            with starting():
                parts = bring(front, path)
            catch_up(waypost, set(FOLLOWERS).intersection(parts))
            return runner.run(client.request(method, path, **options))

        yield Gateway(send, "the configured database", waypost)


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _problem(response: "httpx.Response", where: str, *, here: bool = False) -> CommandError:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "status" not in body:
        return CommandError(
            f"{where} answered {response.status_code} and is no Waypost gateway: check --url", UNREACHABLE
        )
    if here and body.get("type") == "/problems/internal":
        return CommandError(f"an error inside Waypost: {DEBUG}=1 before the command shows where")
    return ProblemError(response.status_code, body)

"""What kinds share whose backend is a service over HTTP: settings, pages by tokens, and the plain methods of a face."""

from collections.abc import Callable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import Field

from adapters.contract import Adapter, AdapterConfig, Observer
from adapters.errors import InvalidError
from adapters.http import Endpoint, HttpClient, Reply, check_count
from adapters.payloads import Raw
from adapters.portions import Portion
from adapters.records import Key, Record
from adapters.scanning import Steps
from adapters.tokens import Tokens

P = TypeVar("P", bound=Sized)
Concurrency = Annotated[int, Field(gt=0, le=64, description="requests in flight at once during a scan")]
"""How much a scan asks for at once."""


class ServiceConfig(AdapterConfig):
    """A service with certificates."""

    ca_file: Path | None = Field(default=None, description="certificate authority of the server (PEM)")

    def endpoint(self, url: str, **more: Any) -> Endpoint:
        """How the service at an address is spoken to; `more` are further fields of an `Endpoint`."""
        return Endpoint(
            **{
                "url": url,
                "timeout": self.timeout,
                "max_bytes": self.max_response_mb << 20,
                "headers": {"Accept": "application/json"},
                "allowed_networks": self.allowed_networks,
                "ca_file": self.ca_file,
                **more,
            }
        )


class ServiceClient:
    """Requests to one service. Nothing is opened before the first call. Safe for several threads."""

    repeatable: tuple[str, ...] = ("GET",)
    """Methods that may be sent once more where no answer came."""

    def __init__(self, http: HttpClient, page: int = 1) -> None:
        """`page`: so many rows a page of a listing has at most."""
        self.http = http
        self.tokens = Tokens()
        """Those that it was given, or that were read last."""
        self._portion = Portion(page)

    def token(self) -> str | None:
        """The bearer token that the next request shows, if any. Errors: any `AdapterError`."""
        return None

    def call(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Reply:
        """One answer; only what changes nothing is asked for again. Errors: any `AdapterError`."""
        token = self.token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        repeatable = method in self.repeatable
        return self.http.call(method, path, params=params, headers=headers, body=body, repeatable=repeatable)

    def object(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Raw:
        """An object that is answered. Errors: any `AdapterError`."""
        return an_object(self.call(method, path, params, body))

    def following(
        self, read: Callable[[str | None], tuple[P, str | None]], token: str | None = None
    ) -> Iterator[P]:
        """Pages, each read by the token of the one before, the first by `token`, until there is none. Errors: those of
        `read`; `InvalidError` for a listing that does not end.
        """
        steps = Steps(self.stuck)
        while True:
            found, token = read(token)
            yield found
            if token is None:
                return
            steps.take(token, is_empty=not len(found))

    def portioned(
        self, read: Callable[[str | None, int], tuple[list[Raw], str | None]]
    ) -> Iterator[list[Raw]]:
        """The same of pages that are asked for with so many rows: fewer where so many are too much at once. Errors: as
        of `following`, and `InvalidError` for more rows than were asked for.
        """

        def sized(token: str | None, size: int) -> tuple[list[Raw], str | None]:
            found, following = read(token, size)
            check_count(self.http.host, len(found), size)
            return found, following

        yield from self.following(
            lambda token: self._portion.read(self._portion.most, lambda size: sized(token, size))
        )

    def stuck(self) -> InvalidError:
        """A listing does not end."""
        return InvalidError(f"{self.http.host}: its pages go round in a circle, or give nothing: check `url`")

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every request from now on."""
        self.http.observe(observer)

    def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        self.http.close()


def pages(
    http: HttpClient, path: str, params: Mapping[str, Any] | None = None, *, token: str, param: str
) -> Iterator[Raw]:
    """The pages of a listing, as objects: what one says under the name `token` is sent as `param` for the next one,
    until it says nothing there. Errors: any `AdapterError`; `InvalidError` for a listing that does not end.
    """
    client = ServiceClient(http)

    def read(given: str | None) -> tuple[Raw, str | None]:
        page = client.object("GET", path, {**(params or {}), param: given})
        following = page.get(token)
        return page, None if following in (None, "") else str(following)

    return client.following(read)


def an_object(reply: Reply) -> Raw:
    """The object that is answered. Errors: `InvalidError` for something else, and those of `Reply.json`."""
    said = reply.json()
    if not isinstance(said, dict):
        raise InvalidError(f"{reply.host} answered with something else than was asked for: check `url`")
    return said


class ReadsRecords(Protocol):
    """Reads one thing."""

    def record(self, key: Key) -> Record:
        """A record as it is now. Errors: any `AdapterError`."""
        ...


class ServiceAdapter(Adapter):
    """A face whose client is `_api`, and whose reader is `_reads`, where that reads single records."""

    _api: ServiceClient
    _reads: ReadsRecords

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._api.http.host})"

    def get(self, key: Key) -> Record:
        return self._reads.record(key)

    def observe(self, observer: Observer) -> None:
        self._api.observe(observer)

    def credentials(self) -> tuple[str, ...]:
        return self._api.tokens.secrets

    def close(self) -> None:
        self._api.close()

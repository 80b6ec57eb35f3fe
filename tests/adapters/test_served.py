"""What kinds share whose backend is a service over HTTP, over real connections."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters import Adapter, InvalidError, TransientError
from adapters.emulators.services import EmulatedService, ServiceAnswer, ServiceRequest, listen, serve
from adapters.http import Endpoint, HttpClient
from adapters.oci import OciAdapter, OciConfig
from adapters.rest import RestAdapter, RestConfig
from adapters.served import ServiceClient, ServiceConfig, pages
from tests.servers.certificates import certificate

MODELS = {"path": "/models", "one": "/models/{id}", "fields": {"name": "name"}}
VERSIONS = {"path": "/versions", "one": "/versions/{id}", "model": "model", "fields": {"version": "version"}}
ANSWERS: dict[str, Any] = {
    "/token": {"access_token": "given", "expires_in": 60},
    "/models": [],
    "/v2/": {},
    "/v2/_catalog": {"repositories": []},
}


class PlainHandler(BaseHTTPRequestHandler):
    """Answers each path with what it has, and remembers who asked."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]]

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.asked.append(path)
        body = json.dumps(ANSWERS[path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 - the names the standard library looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def rest(url: str, **more: Any) -> Adapter:
    given = {
        "url": url,
        "models": MODELS,
        "versions": VERSIONS,
        "auth": "oauth2",
        "token_url": f"{url}/token",
    }
    return RestAdapter(
        RestConfig.model_validate({**given, "client_id": "us", "client_secret": "s3cret", **more})
    )


def oci(url: str, **more: Any) -> Adapter:
    return OciAdapter(OciConfig.model_validate({"url": url, **more}))


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    """The certificate of `localhost`, which is its own authority, and its key."""
    key, made = certificate("localhost")
    (tmp_path / "server.key").write_bytes(key)
    (tmp_path / "server.crt").write_bytes(made)
    return tmp_path / "server.crt", tmp_path / "server.key"


@pytest.fixture
def serving() -> Iterator[Callable[..., int]]:
    """Serves `PlainHandler`, over https with a certificate; the port."""
    servers = []

    def serve(files: tuple[Path, Path] | None = None) -> int:
        PlainHandler.asked = []
        servers.append(listen(PlainHandler, 0, files))
        return int(servers[-1].server_port)

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("opened", [rest, oci])
def test_an_authority_of_ones_own_is_trusted_where_it_is_given(
    opened: Callable[..., Adapter], authority: tuple[Path, Path], serving: Callable[..., int]
) -> None:
    url = f"https://localhost:{serving(authority)}"
    adapter = opened(url, ca_file=str(authority[0]))
    assert adapter.probe().version
    adapter.close()
    with pytest.raises(TransientError, match="certificate that is not trusted"):
        opened(url).probe()


@pytest.mark.parametrize("token_url", ["/token", "http://127.0.0.1:{port}/token"])
def test_a_token_is_asked_for_inside_of_the_allowed_networks_alone(
    token_url: str, serving: Callable[..., int]
) -> None:
    """The credentials go out with that request."""
    port = serving()
    url, where = f"http://127.0.0.1:{port}", token_url.format(port=port)
    with pytest.raises(InvalidError, match="outside `allowed_networks`: nothing was sent"):
        rest(url, token_url=where, allowed_networks=["10.0.0.0/8"]).probe()
    assert PlainHandler.asked == []
    told: list[str] = []
    adapter = rest(url, token_url=where, allowed_networks=["127.0.0.0/8"])
    adapter.observe(lambda method, path, status, seconds: told.append(f"{method} {path} {status}"))
    adapter.probe()
    adapter.close()
    assert PlainHandler.asked == ["/token", "/models"]
    assert len(told) == 2


ROWS = [{"id": str(number)} for number in range(10)]


def shelf() -> ServiceClient:
    return ServiceClient(HttpClient(Endpoint(url="http://shelf.invalid", timeout=1.0, max_bytes=1)), page=4)


def test_pages_that_are_too_much_at_once_are_asked_for_in_smaller_ones() -> None:
    sizes = []

    def read(token: str | None, size: int) -> tuple[list[dict[str, Any]], str | None]:
        sizes.append(size)
        if size > 2:
            raise TransientError("too much", divisible=True)
        begin = int(token or 0)
        end = begin + size
        return ROWS[begin:end], str(end) if end < len(ROWS) else None

    assert [one for page in shelf().portioned(read) for one in page] == ROWS
    assert sizes[:3] == [4, 2, 2]


def test_more_rows_than_were_asked_for_are_an_error() -> None:
    with pytest.raises(InvalidError, match="5 records, more than the 4 that were asked for"):
        list(shelf().portioned(lambda token, size: (ROWS[: size + 1], None)))


def test_pages_that_lead_back_to_where_they_began_are_an_error() -> None:
    with pytest.raises(InvalidError, match="round in a circle"):
        list(shelf().following(lambda token: (ROWS, "0")))


class PagedService(EmulatedService):
    """Numbers in pages of two; with `circle` the last page leads back to the second."""

    circle = False

    def answer(self, asked: ServiceRequest) -> ServiceAnswer:
        if asked.path == "/list":
            return ServiceAnswer([1, 2])
        begin = int(asked.one("from", "0"))
        more = {"next": begin + 2} if begin < 4 else {"next": 2} if self.circle else {"next": ""}
        return ServiceAnswer({"kind": asked.one("kind"), "rows": [begin, begin + 1], **more})


@pytest.fixture
def paged() -> Iterator[tuple[PagedService, HttpClient]]:
    service = PagedService()
    server = serve(service)
    config = ServiceConfig(max_response_mb=1, timeout=7, allowed_networks=("127.0.0.0/8",))
    http = HttpClient(config.endpoint(f"http://127.0.0.1:{server.server_port}"))
    yield service, http
    http.close()
    server.shutdown()
    server.server_close()


def test_pages_are_led_to_by_what_each_says(paged: tuple[PagedService, HttpClient]) -> None:
    service, http = paged
    found = list(pages(http, "/rows", {"kind": "even"}, token="next", param="from"))
    assert [number for page in found for number in page["rows"]] == [0, 1, 2, 3, 4, 5]
    assert {page["kind"] for page in found} == {"even"}
    assert [asked.one("from") for asked in service.asked] == ["", "2", "4"]


def test_pages_that_lead_back_or_are_no_objects_are_an_error(paged: tuple[PagedService, HttpClient]) -> None:
    service, http = paged
    service.circle = True
    with pytest.raises(InvalidError, match="go round in a circle"):
        list(pages(http, "/rows", token="next", param="from"))
    with pytest.raises(InvalidError, match="something else than was asked for"):
        list(pages(http, "/list", token="next", param="from"))


def test_an_endpoint_of_a_configuration_keeps_its_bounds(paged: tuple[PagedService, HttpClient]) -> None:
    _, http = paged
    assert (http.endpoint.timeout, http.endpoint.max_bytes) == (7, 1 << 20)
    elsewhere = ServiceConfig(allowed_networks=("192.0.2.0/24",)).endpoint(http.endpoint.url)
    with pytest.raises(InvalidError, match="add its network if that is right"):
        HttpClient(elsewhere).get("/rows")

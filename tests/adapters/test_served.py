"""What kinds share whose backend is a service over HTTP, over real connections."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapters import Adapter, InvalidError, TransientError
from adapters.emulators.services import listen
from adapters.oci import OciAdapter, OciConfig
from adapters.rest import RestAdapter, RestConfig
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

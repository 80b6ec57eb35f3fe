"""Files on their way from a server: whole, in part, cut off, packed, refused."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from adapters import AdapterError, ByteSpan, NotFoundError, TransientError
from adapters.artifacts import checked, streamed
from adapters.http import Endpoint, HttpClient

CONTENT = bytes(range(256)) * 4_000


class Store(BaseHTTPRequestHandler):
    """Hands out `CONTENT` as the path says; keeps what it was shown."""

    shown: list[str | None]

    def do_GET(self) -> None:
        self.shown.append(self.headers.get("Authorization"))
        span, body, status, more = self.headers.get("Range"), CONTENT, 200, {}
        match self.path:
            case "/nothing":
                status, body, more = 404, b'{"message": "gone"}', {"Content-Type": "application/json"}
            case "/packed":
                body, more = gzip.compress(CONTENT), {"Content-Encoding": "gzip"}
            case _ if span is not None:
                first, last = map(int, span.removeprefix("bytes=").split("-"))
                body, status = CONTENT[first : last + 1], 206
                more = {"Content-Range": f"bytes {first}-{last}/{len(CONTENT)}"}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: 100_000 if self.path == "/cut" else None])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def client() -> Iterator[HttpClient]:
    Store.shown = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        client = HttpClient(
            Endpoint(url=url, timeout=60, max_bytes=1 << 10, headers={"Authorization": "ours"})
        )
        yield client
        client.close()
        server.shutdown()
        thread.join()


def test_a_file_comes_whole_and_in_part_whatever_the_bound_of_answers(client: HttpClient) -> None:
    with streamed(client, "/whole", None) as stream:
        assert (stream.length, stream.total, stream.is_part) == (len(CONTENT), len(CONTENT), False)
        pieces = list(stream.pieces)
    assert b"".join(pieces) == CONTENT and len(pieces) > 1, "it is never held whole"
    with streamed(client, "/whole", ByteSpan(10, 29)) as stream:
        assert (stream.length, stream.total, stream.is_part) == (20, len(CONTENT), True)
        assert b"".join(stream.pieces) == CONTENT[10:30]
    assert Store.shown == ["ours", "ours"]


def test_a_whole_address_is_shown_no_credentials(client: HttpClient) -> None:
    with streamed(client, "", None, url=f"{client.endpoint.url}/whole") as stream:
        assert b"".join(stream.pieces) == CONTENT
    assert Store.shown == [None]


@pytest.mark.parametrize(("path", "error"), [("/nothing", NotFoundError), ("/packed", TransientError)])
def test_what_is_no_file_is_refused(client: HttpClient, path: str, error: type[AdapterError]) -> None:
    with pytest.raises(error), streamed(client, path, None):
        pass


def test_a_file_that_is_cut_does_not_look_whole(client: HttpClient) -> None:
    came = 0
    with pytest.raises(TransientError), streamed(client, "/cut", None) as stream:
        for piece in stream.pieces:
            came += len(piece)
    assert came == 100_000


@pytest.mark.parametrize("path", ["../a", "a//b", "a/./b", "/a", "a\\b", "a\0"])
def test_no_path_leads_out_of_the_files(path: str) -> None:
    with pytest.raises(NotFoundError):
        checked(path)

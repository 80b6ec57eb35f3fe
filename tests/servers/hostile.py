"""A hostile backend: it answers like a small MLflow server until it is told in which way to misbehave.

Every misbehaviour is bounded and harmless to what stands beside it; it lies just beyond a limit of ours.
"""

import gzip
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

MODELS = 20
TIMES = {"creation_timestamp": 1_700_000_000_000, "last_updated_timestamp": 1_700_000_000_000}
SIGNED = 'signature:\n  inputs: \'[{"type": "double", "name": "amount", "required": true}]\'\n'
MIB = 1 << 20
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PATIENCE = 20.0
"""Seconds after which a misbehaviour ends by itself."""
Answer = Callable[["HostileLine"], None]
Change = Callable[[dict[str, Any], list[dict[str, Any]]], None]


class HostileLine:
    """One connection on which something is to be said badly."""

    def __init__(self, connection: socket.socket, path: str, good: bytes, stopped: threading.Event) -> None:
        self.connection, self.path, self.good = connection, path, good
        self._ends = time.monotonic() + PATIENCE
        self._stopped = stopped

    def say(self, *parts: bytes) -> None:
        """Send it."""
        self.connection.sendall(b"".join(parts))

    def repeat(self, part: bytes, pause: float = 0.0) -> None:
        """Send it again and again until somebody has had enough."""
        while time.monotonic() < self._ends and not self._stopped.wait(pause):
            self.connection.sendall(part)

    def whole(self, body: bytes, *headers: str) -> None:
        """A whole answer."""
        head = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(body)}", *headers))
        self.say(OK, head.encode(), b"\r\n")
        self.connection.sendall(body)


def _begun(begin: bytes, *, again: bytes, pause: float = 0.0) -> Answer:
    """An answer that begins well and never ends."""

    def answer(line: HostileLine) -> None:
        line.say(OK, begin)
        line.repeat(again, pause)

    return answer


@cache
def _blanks() -> bytes:
    """64 MiB of blanks, packed."""
    return gzip.compress(b" " * (64 * MIB), 1)


@cache
def _many_values() -> bytes:
    return b"[" + b"[]," * (4 * MIB) + b"[]]"


@cache
def _large_text() -> bytes:
    return b'{"registered_models": ["' + b"x" * (15 * MIB) + b'"]}'


def _packed(line: HostileLine, codings: str, body: bytes) -> None:
    line.whole(body, f"Content-Encoding: {codings}")


def _reset(line: HostileLine) -> None:
    line.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def _listing(line: HostileLine, change: Change) -> None:
    """A listing with something wrong in it; every other answer is good."""
    line.whole(_changed(line.good, change))


def _changed(good: bytes, change: Change) -> bytes:
    found = json.loads(good) if good[:1] == b"{" else {}
    rows = next((found[name] for name in ("registered_models", "model_versions") if found.get(name)), None)
    if rows:
        change(found, rows)
    return json.dumps(found).encode() if rows else good


def _file(line: HostileLine, text: str) -> None:
    """A bad `MLmodel` file; every other answer is good."""
    line.whole(text.encode() if "get-artifact" in line.path else line.good)


def _row(name: str, value: Any) -> Answer:
    """The first record of a listing has something odd in it."""

    @cache  # made once for each answer: it must not keep the process busy from which the healthy registry answers
    def changed(good: bytes) -> bytes:
        return _changed(good, lambda found, rows: rows[0].update({name: value}))

    return lambda line: line.whole(changed(line.good))


MISBEHAVIOURS: dict[str, Answer] = {
    "says nothing": lambda line: line.repeat(b"", 0.1),
    "head drips": _begun(b"X: ", again=b"a", pause=0.05),
    "head without end": _begun(b"", again=b"X-Pad: " + b"a" * 4000 + b"\r\n"),
    "one header without end": _begun(b"X: ", again=b"a" * 65536),
    "too many headers": lambda line: line.whole(line.good, *["X: y"] * 150),
    "interim answers without end": lambda line: line.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "is no HTTP": lambda line: line.say(b"SSH-2.0-other\r\n"),
    "resets the connection": _reset,
    "closes without a word": lambda line: None,
    "body drips": _begun(b"\r\n[", again=b" ", pause=0.05),
    "body without end": _begun(b"\r\n[", again=b"1," * 32768),
    "chunks without end": _begun(
        b"Transfer-Encoding: chunked\r\n\r\n", again=b"10000\r\n" + b" " * 65536 + b"\r\n"
    ),
    "tiny chunks without end": _begun(b"Transfer-Encoding: chunked\r\n\r\n", again=b"1\r\n \r\n" * 8192),
    "trailers without end": _begun(b"Transfer-Encoding: chunked\r\n\r\n0\r\n", again=b"X: y\r\n" * 8192),
    "broken chunk": lambda line: line.say(OK, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "ends too early": lambda line: line.say(OK, b"Content-Length: 5000\r\n\r\n{"),
    "length beyond all": lambda line: line.say(OK, b"Content-Length: 999999999999\r\n\r\n{"),
    "packed twice": lambda line: _packed(line, "gzip, gzip", gzip.compress(_blanks())),
    "packed beyond the limit": lambda line: _packed(line, "gzip", _blanks()),
    "packed in an unknown way": lambda line: _packed(line, "br", line.good),
    "packed and broken": lambda line: _packed(line, "gzip", gzip.compress(line.good)[:-6]),
    "a web page": lambda line: line.whole(b"<!doctype html><title>Sign in</title>" * 1000),
    "an empty body": lambda line: line.whole(b""),
    "no object": lambda line: line.whole(b"[1, 2, 3]"),
    "deeply nested": lambda line: line.whole(b"[" * 100_000),
    "too many values": lambda line: line.whole(_many_values()),
    "one large text": lambda line: line.whole(_large_text()),
    "a number without end": lambda line: line.whole(b"1" * 5000),
    "not UTF-8": lambda line: line.whole(b'{"registered_models": [{"name": "\xff\xfe"}]}'),
    "half a surrogate pair": _row("description", "a\ud800b"),
    "a NUL": _row("description", "a\x00b"),
    "a large record": _row("description", "x" * (6 * MIB)),
    "a wide record": _row("tags", [{"key": f"k{at}", "value": "v"} for at in range(50_000)]),
    "odd types": _row("creation_timestamp", {"not": "a time"}),
    "more than asked for": lambda line: _listing(line, lambda found, rows: rows.extend(rows * 400)),
    "pages in a circle": lambda line: _listing(
        line, lambda found, rows: found.update(next_page_token="0-again")
    ),
    "pages without end": lambda line: _listing(
        line, lambda found, rows: found.update(next_page_token=f"0-{random.getrandbits(64)}")
    ),
    "redirects": lambda line: line.say(
        b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    ),
    "always 500": lambda line: line.say(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"),
    "asks for patience": lambda line: line.say(
        b"HTTP/1.1 429 X\r\nRetry-After: 999999\r\nContent-Length: 0\r\n\r\n"
    ),
    "a refusal without end": lambda line: line.say(
        b"HTTP/1.1 400 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n",
        json.dumps({"error_code": "X", "message": "no " * (3 * MIB)}).encode(),
    ),
    "a file that is nested": lambda line: _file(line, f"{SIGNED}metadata: {'[' * 70}{']' * 70}\n"),
    "a file of aliases": lambda line: _file(line, f"{SIGNED}a: &a [{'1, ' * 999}]\nb: [{'*a, ' * 200}]\n"),
    "a file that is large": lambda line: _file(line, "#" * (2 * MIB)),
    "a file that is cut": lambda line: _file(line, "signature: {"),
}
"""What it can do, each by a name that says it."""


class Hostile:
    """The server, in threads of this process. `misbehaving` names what it does; empty: nothing."""

    def __init__(self, models: int = MODELS) -> None:
        self.misbehaving = ""
        self._models = models
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stopped = threading.Event()

    def __enter__(self) -> "Hostile":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def behave(self) -> None:
        """End every misbehaviour that is under way."""
        self.misbehaving = ""
        self._stopped.set()
        self._stopped = threading.Event()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for path, query in _requests(connection):
                stopped, chosen = self._stopped, self.misbehaving
                line = HostileLine(connection, path, _good(path, query, self._models), stopped)
                if not chosen:
                    line.whole(line.good)
                else:
                    MISBEHAVIOURS[chosen](line)
                    return


@contextmanager
def listening(models: int = MODELS) -> Iterator[str]:
    """The same in a process of its own, where it always behaves; its address."""
    command = [sys.executable, "-m", "tests.servers.hostile", str(models)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def _requests(connection: socket.socket) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Path and query of each request on a connection, its body read."""
    kept = b""
    while True:
        while b"\r\n\r\n" not in kept:
            more = connection.recv(65536)
            if not more:
                return
            kept += more
        head, _, kept = kept.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        size = int(found[1]) if found else 0
        while len(kept) < size:
            kept += connection.recv(65536)
        kept = kept[size:]
        parts = urlsplit(head.split(b" ", 2)[1].decode())
        yield parts.path, parse_qs(parts.query)


def _good(path: str, query: dict[str, list[str]], models: int) -> bytes:
    """What a small MLflow server says: so many models, each with one version."""
    name = query.get("name", [""])[0]
    if path == "/version":
        return b"3.17.2"
    if path.endswith("get-artifact"):
        return SIGNED.encode()
    answer: dict[str, Any] = {}
    if path.endswith("registered-models/search"):
        answer = _page("registered_models", _model, query, models)
    elif path.endswith("model-versions/search"):
        answer = _page("model_versions", _version, query, models)
    elif path.endswith("registered-models/get"):
        answer = {"registered_model": _model(name)}
    elif path.endswith("model-versions/get"):
        answer = {"model_version": _version(name)}
    elif path.endswith("experiments/get"):
        answer = {"experiment": {"experiment_id": "0", "creation_time": 1_700_000_000_000}}
    return json.dumps(answer).encode()


def _page(field: str, row: Callable[[str], Any], query: dict[str, list[str]], models: int) -> dict[str, Any]:
    if "is_prompt" in query.get("filter", [""])[0]:
        return {}
    token, size = query.get("page_token", ["0"])[0], int(query.get("max_results", ["100"])[0])
    begin = int(token.partition("-")[0])
    end = min(begin + size, models)
    more = {"next_page_token": str(end)} if end < models else {}
    return {field: [row(f"model-{at}") for at in range(begin, end)], **more}


def _model(name: str) -> dict[str, Any]:
    return {"name": name, "tags": [], "aliases": [], **TIMES}


def _version(name: str) -> dict[str, Any]:
    source = f"s3://bucket/{name}/1"
    return {
        "name": name,
        "version": "1",
        "current_stage": "None",
        "status": "READY",
        "source": source,
        **TIMES,
    }


if __name__ == "__main__":
    with Hostile(int(sys.argv[1])) as server:
        print(server.url, flush=True)
        sys.stdin.read()

"""The gates of rollouts: addresses, Prometheus, commands; and that nothing but the configuration is asked."""

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from gateway.gates import Gates
from gateway.settings import load_settings

SCALAR = {"resultType": "scalar", "result": [0, "0.5"]}
VECTOR = {"resultType": "vector", "result": [{"value": [0, "0.5"]}, {"value": [0, "0.7"]}]}
ANSWERS: dict[str, Any] = {
    "scalar": SCALAR,
    "rate": VECTOR,
    "nothing": {"resultType": "vector", "result": []},
    "nan": {"resultType": "scalar", "result": [0, "NaN"]},
    "odd": {"resultType": "string", "result": "x"},
}
COMMAND = f"command:{sys.executable} -c \"import os, sys; sys.exit(os.environ['WAYPOST_REF'] != 'r/m:1')\""
GATES = {
    "{url}/fine": None,
    "{url}/gone": "it answered 404",
    "prometheus:scalar < 0.6": None,
    "prometheus:scalar<=0.4": "it is 0.5",
    "prometheus:rate < 0.6": "it is 0.7",
    "prometheus:nothing > 0": "Prometheus knows no value of it",
    "prometheus:nan > 0": "Prometheus knows no value of it",
    "prometheus:odd > 0": "Prometheus does not answer with numbers",
    COMMAND: None,
    "command:cat waypost.toml": None,
    "command:no-such-program": "it cannot be run: FileNotFoundError",
}


class GateHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = self.path.partition("query=")[2]
        data = ANSWERS.get(asked)
        body = b"" if data is None else json.dumps({"status": "success", "data": data}).encode()
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gates, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), GateHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    folder: Path = tmp_path_factory.mktemp("gates")
    known = json.dumps([gate.format(url=url) for gate in GATES])
    (folder / "waypost.toml").write_text(
        f'[promotions]\nprometheus = "{url}"\n[[policies]]\nname = "p"\non = "*"\n'
        f"rollout = {{ steps = [100], gates = {known} }}\n"
    )
    yield Gates(load_settings(folder / "waypost.toml")), url
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("gate", "expected"), GATES.items(), ids=[str(number) for number in range(len(GATES))]
)
def test_a_gate_passes_or_says_why_not(gates: tuple[Gates, str], gate: str, expected: str | None) -> None:
    ask, url = gates
    assert ask(gate.format(url=url), "r/m:1") == expected


def test_what_the_configuration_does_not_have_is_not_asked(gates: tuple[Gates, str]) -> None:
    ask, url = gates
    for gate in ("command:true", f"{url}/other"):
        assert ask(gate, "r/m:1") == "it is not in this gateway's configuration"

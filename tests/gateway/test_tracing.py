"""Traces of a whole gateway, as a collector gets them: every kind of span, the caller's trace, and nothing private."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.paper import PLUGINS, Paper
from tests.gateway.served import served
from tests.patience import until

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PRIVATE = "unspeakable"


class Collector:
    """Takes OTLP over HTTP on loopback, and reads it by OpenTelemetry's own definitions."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.raw = b""
        collector = self

        class TraceHandler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.headers.get("Content-Encoding", ""), body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), TraceHandler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, encoding: str, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        assert not encoding, "nobody asked for compression"
        self.raw += body
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = {each.key: each.value.string_value for each in one.resource.attributes}
            assert process["service.name"] == "waypost"
            for scope in one.scope_spans:
                for span in scope.spans:
                    attributes = {
                        each.key: getattr(each.value, str(each.value.WhichOneof("value")))
                        for each in span.attributes
                    }
                    self.spans.append(
                        {
                            "name": span.name,
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "failed": span.status.code == 2,
                            "process": process["waypost.process"],
                            **attributes,
                        }
                    )

    def named(self, name: str, **wanted: Any) -> list[dict[str, Any]]:
        return [one for one in self.spans if one["name"] == name and wanted.items() <= one.items()]


@pytest.fixture
def collector() -> Iterator[Collector]:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_span_for_each_request_adapter_call_chunk_and_operation_and_nothing_private(
    tmp_path: Path, collector: Collector
) -> None:
    paper = Paper(tmp_path / "paper")
    paper.add(f"model-{PRIVATE}", 2)
    registry = paper.config("r", sync_every=0).replace("sync_every", "writable = true\nsync_every")
    place = f"http://127.0.0.1:{collector.server.server_port}/v1/traces"
    tracing = f'[tracing]\nendpoint = "{place}"\n{registry}'
    variables = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
    with served(tmp_path / "gateway", config=tracing, plugins=PLUGINS, environment=variables) as gateway:
        asked = gateway.client.post("/registries/r/sync").raise_for_status().json()
        until(lambda: gateway.client.get(f"/syncs/{asked['id']}").json()["state"] == "ok", "it is read")
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "Authorization": f"Bearer wp_{PRIVATE}"}
        gateway.client.get("/search", params={"q": PRIVATE}, headers=headers).raise_for_status()
        path = f"/versions/r/model-{PRIVATE}:1/tags"
        accepted = gateway.client.patch(path, json={"tags": {"n": PRIVATE}}).raise_for_status().json()
        until(
            lambda: gateway.client.get(f"/operations/{accepted['id']}").json()["state"] == "ok", "it is done"
        )
        gateway.client.get(f"/versions/r/{PRIVATE}:9")
        until(lambda: collector.named("operation", **{"waypost.state": "ok"}), "its span arrives")
        until(lambda: collector.named("GET /api/v1/versions/{ref}"), "the last request's span arrives")
    [request] = collector.named("GET /api/v1/search")
    assert (request["trace"], request["parent"], request["process"]) == (TRACE, CALLER, "api")
    assert request["http.response.status_code"] == 200
    [run] = collector.named("sync", **{"waypost.state": "ok"})
    [chunk, *_] = collector.named("chunk", **{"waypost.records": 3})
    [scan, *_] = collector.named("adapter call", **{"waypost.call": "scan"})
    assert chunk["parent"] == scan["parent"] == run["id"]
    assert run["waypost.registry"] == scan["waypost.registry"] == "r"
    [operation] = collector.named("operation")
    [write] = collector.named("adapter call", **{"waypost.call": operation["waypost.kind"]})
    assert (operation["parent"], operation["trace"]) == (write["parent"], write["trace"])
    assert PRIVATE.encode() not in collector.raw


def test_traces_that_cannot_be_made_are_a_mistake_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from federation.errors import SetupError
    from gateway import telling_settings

    monkeypatch.setattr(telling_settings, "find_spec", lambda _name: None)
    telling_settings.TracingSettings().require_library()
    with pytest.raises(SetupError, match=r"pip install 'waypost\[otel\]'"):
        telling_settings.TracingSettings(endpoint="http://127.0.0.1:4318/v1/traces").require_library()
    for wrong in ("127.0.0.1:4318", "https://user:word@collector/v1/traces", "http://collector/?key=1"):
        with pytest.raises(ValueError, match="must"):
            telling_settings.TracingSettings(endpoint=wrong)

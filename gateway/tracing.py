"""Traces by OpenTelemetry, where `[tracing]` names a collector: spans go there by OTLP over HTTP.

Each process sends its own. A request that carries a W3C `traceparent` continues the trace of whoever asks.
"""

import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from litestar.types import HTTPScope, Message, Send

from federation import spans
from federation.spans import Parent, TraceSpan, Value
from gateway.telling_settings import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

PREFIX = "waypost."
EXPORT_WITHIN, END_WITHIN = 5, 3.0
"""Seconds that a collector may take for one delivery, and that a process which ends waits for the last one."""
FAULTY = 500
"""From here on it is a failure of ours."""


class OtelSpan:
    """A span of OpenTelemetry."""

    def __init__(self, span: Any) -> None:
        self.span = span

    def note(self, **attributes: Value) -> None:
        """What came out."""
        for name, value in attributes.items():
            self.span.set_attribute(PREFIX + name, value)

    def fail(self, error: BaseException | str) -> None:
        """It failed, by an error of a kind."""
        from opentelemetry.trace import StatusCode

        self.span.set_status(StatusCode.ERROR)
        self.span.set_attribute("error.type", error if isinstance(error, str) else type(error).__name__)

    def end(self) -> None:
        """It is over."""
        if self.span.is_recording():
            self.span.end()


class Tracing:
    """The spans of one process on their way to a collector."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("waypost")

    def begin(self, name: str, parent: Parent, attributes: dict[str, Value]) -> TraceSpan:
        """Begin a span below another one, or below what is current here."""
        named = {PREFIX + key: value for key, value in attributes.items()}
        return OtelSpan(self._tracer.start_span(name, parent, attributes=named))

    def within(self, span: TraceSpan) -> Any:
        """A block in which a span is current."""
        from opentelemetry.trace import use_span

        assert isinstance(span, OtelSpan)
        return use_span(span.span, record_exception=False, set_status_on_exception=False)

    def here(self) -> Parent:
        """What is current here."""
        from opentelemetry.context import get_current

        return get_current()

    async def answering(
        self, scope: HTTPScope, method: str, send: Send, respond: Callable[[Send], Awaitable[None]]
    ) -> None:
        """Answer a request inside a span, in the trace of whoever asks where that is said.

        It is named by its route: a path may name models, and a query anything.
        """
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = TraceContextTextMapPropagator().extract(headers)
        attributes = {"http.request.method": method}
        one = self._tracer.start_span(method, parent, kind=SpanKind.SERVER, attributes=attributes)
        span = OtelSpan(one)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                status: int = message["status"]
                one.set_attribute("http.response.status_code", status)
                if status >= FAULTY:
                    span.fail(str(status))
            await send(message)

        try:
            with self.within(span):
                await respond(noting)
        except BaseException as error:
            span.fail(error)
            raise
        finally:
            if route := scope.get("path_template"):
                one.update_name(f"{method} {route}")
                one.set_attribute("http.route", str(route))
            span.end()

    def close(self) -> None:
        """Send what is left, as far as the collector takes it at once."""
        thread = threading.Thread(target=self._provider.shutdown, daemon=True)
        thread.start()
        thread.join(END_WITHIN)


def start_tracing(settings: TracingSettings, role: str) -> Tracing:
    """Trace this process, which does something as `role`."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.ratio)),
        resource=Resource.create({"service.name": "waypost", f"{PREFIX}process": role}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=settings.endpoint, timeout=EXPORT_WITHIN)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracing = Tracing(provider)
    spans.trace_with(tracing)
    return tracing

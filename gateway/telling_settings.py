"""The tables `[log]` and `[tracing]` of the configuration: what a gateway tells of its work."""

from importlib.util import find_spec
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from federation.errors import SetupError
from gateway.sections import Section


class LogSettings(Section):
    """What is logged, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is logged"
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto: text on a terminal, else JSON lines"
    )


class TracingSettings(Section):
    """Where traces are sent, by OpenTelemetry; nothing is traced without."""

    endpoint: str = Field(
        default="",
        description="address of a collector of OTLP over HTTP, as http://127.0.0.1:4318/v1/traces; what it asks for "
        "stands in OTEL_EXPORTER_OTLP_HEADERS; empty: no traces",
    )
    ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="part of the traces that is kept, of those that begin here; what a request says of its own is kept",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        if endpoint and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("must be an http:// or https:// address, as http://127.0.0.1:4318/v1/traces")
        if "@" in parts.netloc or parts.query:
            raise ValueError("must hold no credentials and no ?")
        return endpoint

    def require_library(self) -> None:
        """Errors: `SetupError` where traces are wanted and OpenTelemetry is not installed."""
        if self.endpoint and find_spec("opentelemetry.exporter") is None:
            raise SetupError(
                "tracing needs OpenTelemetry: pip install 'waypost[otel]'", code="tracing-unusable"
            )

"""Structured logs to standard error: text on a terminal, JSON lines elsewhere; what looks like a secret is left out."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from gateway.characters import inert
from gateway.telling_settings import LogSettings

SECRET_NAMES = re.compile(
    r"pass(word|wd)?$|secret|token$|authorization|cookie|api_?key|credential", re.IGNORECASE
)
SECRET_TEXT = re.compile(
    r"(://[^/@\s:]*:)[^/@\s]+@|(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{6,}|\bwp_[A-Za-z0-9_]{8,}"
)
HIDDEN = "[hidden]"


def configure_logs(settings: LogSettings) -> None:
    """Set up structlog and the standard library's logging for this process."""
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if text
        else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([make_inert] if text else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for chatty in ("httpx", "httpcore", "botocore", "urllib3", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: values under secret-looking names, and secret-looking text, are replaced."""
    for name, value in event.items():
        if SECRET_NAMES.search(name):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = redact(value)
    return event


def make_inert(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: what strangers sent does nothing to a terminal and begins no line of its own."""
    for name, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if name in ("exception", "stack") else [value]
            event[name] = "\n".join(map(inert, lines))
    return event


def redact(text: str) -> str:
    """Text without passwords of URLs, credentials of headers and our own tokens."""
    return SECRET_TEXT.sub(lambda found: f"{found[1] or ''}{HIDDEN}{'@' if found[1] else ''}", text)

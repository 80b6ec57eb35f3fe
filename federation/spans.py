"""Spans: what took how long, and because of what, for whoever traces a gateway. Until a tracer is set nothing happens.

Attributes say kinds, names of registries, counts and outcomes: never a reference, a text of a backend or a secret.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

Value = str | int | bool
Parent = Any
"""What a span hangs below: what `here` gave, in whichever thread."""


class TraceSpan(Protocol):
    """One span, while it lasts."""

    def note(self, **attributes: Value) -> None:
        """What came out."""

    def fail(self, error: BaseException | str) -> None:
        """It failed: told is the kind of the error, whose text may hold anything."""

    def end(self) -> None:
        """It is over. For those that no block holds; more than once does no harm."""


class Tracer(Protocol):
    """What keeps spans."""

    def begin(self, name: str, parent: Parent, attributes: dict[str, Value]) -> TraceSpan:
        """Begin a span below another one, or below what is current here where that is None."""

    def within(self, span: TraceSpan) -> Any:
        """A block in which a span is current."""

    def here(self) -> Parent:
        """What is current here."""


class _NoSpan:
    def note(self, **attributes: Value) -> None: ...

    def fail(self, error: BaseException | str) -> None: ...

    def end(self) -> None: ...


NONE: TraceSpan = _NoSpan()
_tracer: Tracer | None = None


def trace_with(tracer: Tracer | None) -> None:
    """Have a tracer keep the spans of this process; None: nobody does."""
    global _tracer
    _tracer = tracer


def here() -> Parent:
    """What is current in this thread, for a span that another thread begins."""
    return None if _tracer is None else _tracer.here()


def begin(name: str, parent: Parent = None, **attributes: Value) -> TraceSpan:
    """A span that no block holds: whoever begins it ends it."""
    return NONE if _tracer is None else _tracer.begin(name, parent, attributes)


@contextmanager
def span(name: str, parent: Parent = None, **attributes: Value) -> Iterator[TraceSpan]:
    """A span for as long as the block lasts, which what is begun inside hangs below."""
    tracer = _tracer
    if tracer is None:
        yield NONE
        return
    one = tracer.begin(name, parent, attributes)
    try:
        with tracer.within(one):
            yield one
    except BaseException as error:
        one.fail(error)
        raise
    finally:
        one.end()

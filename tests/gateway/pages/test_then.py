"""What held a stage or alias on a day, against what holds it now."""

from datetime import UTC, datetime

from gateway.api.history_out import SpanOut
from gateway.pages.then import then_and_now

DAY = datetime(2026, 5, 3, tzinfo=UTC)


def span(version: str, kind: str, value: str, *, ended: bool = False) -> SpanOut:
    end = DAY if ended else None
    return SpanOut(f"r/m:{version}", version, 1, kind, value, None, DAY, None, end, "sync", None, None)


def test_what_changed_comes_first_with_what_holds_it_at_either_time() -> None:
    former = span("2", "stage", "production", ended=True)
    kept, moved = span("1", "stage", "archived"), span("3", "alias", "champion")
    spans = [
        span("3", "stage", "production"),
        moved,
        former,
        kept,
        span("2", "alias", "champion", ended=True),
    ]
    rows = then_and_now([former, kept, span("2", "alias", "champion", ended=True)], spans)
    assert [
        (one.value, [held.version for held in one.then], [held.version for held in one.now], one.is_changed)
        for one in rows
    ] == [
        ("production", ["2"], ["3"], True),
        ("champion", ["2"], ["3"], True),
        ("archived", ["1"], ["1"], False),
    ]


def test_what_nothing_held_then_or_holds_now_is_said_as_well() -> None:
    rows = then_and_now([span("1", "alias", "old", ended=True)], [span("2", "alias", "new")])
    assert [(one.value, len(one.then), len(one.now)) for one in rows] == [("new", 0, 1), ("old", 1, 0)]

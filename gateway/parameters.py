"""What is asked for, read strictly: references and times as they are written in an address or on a command line."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from federation.references import Reference, parse
from gateway.plain import plain
from gateway.problems import ProblemError

if TYPE_CHECKING:
    from federation.journal.journal import JournalFilter

LONGEST_REFERENCE = 8192
FILTERS = ("actor", "action", "ref", "registry", "team", "since", "until")
"""By what the entries of the journal are chosen."""


def checked(kind: Any, value: object, name: str = "body") -> Any:
    """What was given as what it must be. Errors: `ProblemError` 400."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        place = place.removesuffix("`")
        raise ProblemError(400, "invalid-request", f"{place or name}: {plain(text, kind, place)}") from None


def read_reference(text: str) -> Reference:
    """The reference of a path parameter. Errors: `ReferenceSyntaxError`, 400."""
    text = text.removeprefix("/")
    if len(text) > LONGEST_REFERENCE:
        raise ProblemError(
            400, "invalid-reference", f"a reference has at most {LONGEST_REFERENCE} characters"
        )
    return parse(text)


def read_edge(text: str) -> int:
    """The id of a declared edge at the end of a path. Errors: 400."""
    text = text.removeprefix("/")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ProblemError(
            400, "invalid-request", "an edge is taken back by its id, a number: GET /dependencies lists them"
        )
    return int(text)


def read_etags(match: str | None) -> list[str]:
    """The etags of `If-Match`, unquoted. Errors: 400."""
    if match is None:
        return []
    etags = [one.strip().removeprefix("W/").strip('"') for one in match.split(",")]
    if not all(etags):
        raise ProblemError(400, "invalid-request", 'If-Match is an etag as it was read, in quotes: "…"')
    return etags


def read_time(text: str | None, parameter: str) -> datetime | None:
    """A time of the query: ISO 8601, UTC where it names no zone. Errors: 400."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        detail = f"{parameter} is not a time: write 2026-05-03 or 2026-05-03T12:00:00Z"
        raise ProblemError(400, "invalid-request", detail, parameter=parameter) from None
    return found


def read_as_of(text: str | None) -> datetime | None:
    """The time that is asked about: a day means its end, or now for today. Errors: 400, also for the future."""
    found = read_time(text, "as_of")
    if found is None or text is None:
        return None
    now = datetime.now(UTC)
    if len(text) <= len("2026-05-03") and found <= now:
        found = min(found + timedelta(days=1) - timedelta(microseconds=1), now)
    if found > now:
        detail = f"as_of {text} lies in the future: nobody knows yet what will be then"
        raise ProblemError(400, "invalid-request", detail, parameter="as_of")
    return found


def read_since(text: str | None) -> datetime | None:
    """A time of the query, or a word for one: the beginning of today, of yesterday, or of the day a week ago, in UTC.

    Errors: 400.
    """
    days = {"today": 0, "yesterday": 1, "week": 7}.get(text or "")
    if days is None:
        return read_time(text, "since")
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def read_filter(
    *,
    actor: str | None = None,
    action: str | None = None,
    ref: str | None = None,
    registry: str | None = None,
    team: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> "JournalFilter":
    """Which entries of the journal are asked for; an empty text asks for nothing. Errors: 400."""
    from federation.journal.journal import JournalFilter

    return JournalFilter(
        actor=actor or None,
        action=action or None,
        ref=str(parse(ref)) if ref else None,
        registry=registry or None,
        team=team or None,
        since=read_time(since or None, "since"),
        until=read_time(until or None, "until"),
    )

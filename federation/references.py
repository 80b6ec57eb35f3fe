"""References, the handles of models and versions: `registry/model`, `registry/model:version`,
`registry/model@alias`, `registry/model@stage:production`.

This is the one module that parses and prints them; nobody else splits such strings. The grammar:

- The registry ends at the first `/`, the model name at the first `:` or `@`.
- Percent-encoded (as UTF-8) inside a model name, version or alias: `%`, `:`, `@`, control characters (C0,
  DEL, C1), a leading, trailing or doubled `/`, and the dots of a segment `.` or `..`. The rest stands.
- One spelling is canonical: `parse(str(reference)) == reference`. Characters encoded without need are read
  and printed plain; what must be encoded and is not is refused, because it would not survive a URL.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal
from urllib.parse import quote, unquote

STAGES: Final = ("none", "staging", "production", "archived")
"""The normalised stages that `@stage:` may name."""

NAME_LIMIT: Final = 1000
"""Longest model name, version or alias, in characters before encoding."""
ENCODED_LIMITS: Final = {"model name": 1500, "version": 1000, "alias": 1000}
"""And in bytes after it, so that a whole reference can be indexed: PostgreSQL takes 2,704 bytes."""
_GROWTH = 12
"""Bytes that a character becomes at most: four, percent-encoded."""

_REGISTRY = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_REGISTRY_RULE = "a registry name (1 to 63 of a-z, 0-9, '-', '_', '.', the first a letter or digit)"
_MUST_ENCODE = re.compile(r"[%:@\x00-\x1f\x7f-\x9f]")
_RAW_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_SELECTOR = re.compile(r"[:@]")
_NOT_CANONICAL: Final = (
    (_SELECTOR, "':' written as %3A and '@' as %40"),
    (re.compile(r"%(?![0-9A-Fa-f]{2})"), "'%' and two hexadecimal digits (write %25 for '%')"),
    (re.compile(r"\A/|//|/\Z"), "a leading, trailing or doubled '/' written as %2F"),
    (re.compile(r"(?:\A|(?<=/))\.{1,2}(?=/|\Z)"), "'.' or '..' between slashes written as %2E"),
)
_WITH_ARTICLE: Final = {"model name": "a model name", "version": "a version", "alias": "an alias"}
_SEPARATORS = re.compile(r"[,\s]+")
_LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}")


class ReferenceSyntaxError(ValueError):
    """Text that is no reference: `position` (in characters, from 0) and what was `expected` there."""

    def __init__(self, text: str, position: int, expected: str) -> None:
        shown = ascii(text if len(text) <= 80 else text[:79] + "…")
        super().__init__(f"{shown} is not a reference: at character {position + 1}, expected {expected}")
        self.text = text
        self.position = position
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Reference:
    """A handle of what lives now under a name. At most one of `version`, `alias` and `stage` is set.

    All parts are plain text as the backend spells them, never encoded. Raises ReferenceSyntaxError for what
    no reference can hold: an empty or overlong part, a lone surrogate, a bad registry name, an unknown stage.
    """

    registry: str
    model: str
    version: str | None = None
    alias: str | None = None
    stage: str | None = None

    def __post_init__(self) -> None:
        if not is_registry_name(self.registry):
            raise ReferenceSyntaxError(self.registry, 0, _REGISTRY_RULE)
        check_part("model name", self.model)
        if self.version is self.alias is self.stage is None:
            return
        if sum(part is not None for part in (self.version, self.alias, self.stage)) > 1:
            raise ReferenceSyntaxError(self.model, 0, "only one of version, alias and stage")
        if self.version is not None:
            check_part("version", self.version)
        elif self.alias is not None:
            check_part("alias", self.alias)
        elif self.stage not in STAGES:
            raise ReferenceSyntaxError(self.stage or "", 0, _one_of_the_stages())

    def __str__(self) -> str:
        head = f"{self.registry}/{_encode(self.model)}"
        if self.version is not None:
            return f"{head}:{_encode(self.version)}"
        if self.alias is not None:
            return f"{head}@{_encode(self.alias)}"
        return head if self.stage is None else f"{head}@stage:{self.stage}"


@dataclass(frozen=True, slots=True)
class DependsOn:
    """What a `depends_on` tag says: each reference once, in order, and each item that could not be read."""

    references: tuple[Reference, ...]
    errors: tuple[ReferenceSyntaxError, ...]


def is_registry_name(name: str) -> bool:
    """Whether a registry may have this name: 1 to 63 of `a-z 0-9 - _ .`, the first a letter or digit."""
    return _REGISTRY.fullmatch(name) is not None


def parse(text: str, *, default_registry: str | None = None) -> Reference:
    """Read one reference, already decoded once if it came in a URL.

    With `default_registry`, a text without a `/` before its first `:` or `@` names a model of that registry.
    Raises ReferenceSyntaxError with the position and what was expected there.
    """
    return _parse_at(text, 0, text, default_registry)


def parse_depends_on(text: str, registry: str) -> DependsOn:
    """Read the value of a `depends_on` tag of a version in `registry`.

    Items are separated by commas or white space; both are percent-encoded inside a name. An item is a
    reference, one without its registry (then it is `registry`), or MLflow's `models:/name`, `models:/name/3`,
    `models:/name/Production`, `models:/name@alias`. A bad item never hides the good ones: it is in `errors`.
    """
    references: dict[Reference, None] = {}
    errors: list[ReferenceSyntaxError] = []
    for start, item in _items(text):
        try:
            references[_parse_item(text, start, item, registry)] = None
        except ReferenceSyntaxError as error:
            errors.append(error)
    return DependsOn(tuple(references), tuple(errors))


def url(reference: Reference) -> str:
    """The reference as part of a URL path: its text, encoded once more (`%` becomes `%25`; `/ : @` stay)."""
    return quote(str(reference), safe="/:@")


def encode_part(part: str) -> str:
    """A model name, version or alias as it stands in a reference. Total and reversible by `decode_part`."""
    return _encode(part)


def decode_part(encoded: str) -> str:
    """What `encode_part` encoded."""
    return unquote(encoded)


def check_part(what: Literal["model name", "version", "alias"], part: str) -> None:
    """Refuse, with ReferenceSyntaxError, what no reference can hold."""
    if not part or len(part) > NAME_LIMIT:
        position = min(len(part), NAME_LIMIT)
        raise ReferenceSyntaxError(part, position, f"{_WITH_ARTICLE[what]} of 1 to {NAME_LIMIT} characters")
    if not part.isascii() and (lone := _SURROGATE.search(part)):
        raise ReferenceSyntaxError(part, lone.start(), f"{_WITH_ARTICLE[what]} without lone surrogates")
    most = ENCODED_LIMITS[what]
    if len(part) * _GROWTH > most and (size := len(_encode(part).encode())) > most:
        expected = f"{_WITH_ARTICLE[what]} of at most {most} bytes once encoded, not {size}"
        raise ReferenceSyntaxError(part, 0, expected)


def _one_of_the_stages() -> str:
    return f"one of the stages {', '.join(STAGES)}"


@lru_cache(maxsize=8192)  # a name is met once for each of its versions and whoever needs them
def _encode(part: str) -> str:
    if part.isascii() and part.isalnum():
        return part
    segments = [_encode_segment(segment) for segment in part.split("/")]
    return segments[0] + "".join(
        ("/" if left and right else "%2F") + right for left, right in pairwise(segments)
    )


def _encode_segment(segment: str) -> str:
    if segment in (".", ".."):
        return segment.replace(".", "%2E")
    return _MUST_ENCODE.sub(lambda found: quote(found[0], safe=""), segment)


def _parse_at(whole: str, start: int, text: str, default_registry: str | None) -> Reference:
    """`text` stands at `start` of `whole`, which is what errors quote and count in."""
    if bad := _RAW_FORBIDDEN.search(text):
        expected = "control characters percent-encoded, no lone surrogate"
        raise ReferenceSyntaxError(whole, start + bad.start(), expected)
    selector = _SELECTOR.search(text)
    end = selector.start() if selector else len(text)
    slash = text.find("/", 0, end)
    if slash < 0 and default_registry is None:
        raise ReferenceSyntaxError(whole, start + end, "'/' after the registry, as in registry/model")
    if slash >= 0 and not is_registry_name(text[:slash]):
        raise ReferenceSyntaxError(whole, start, _REGISTRY_RULE)
    registry = text[:slash] if slash >= 0 else (default_registry or "")
    model = _decode(whole, start + slash + 1, text[slash + 1 : end], "a model name")
    if selector is None:
        return Reference(registry, model)
    after, rest = start + end + 1, text[end + 1 :]
    if selector[0] == ":":
        return Reference(registry, model, version=_decode(whole, after, rest, "a version"))
    if not rest.startswith("stage:"):
        return Reference(registry, model, alias=_decode(whole, after, rest, "an alias"))
    stage = rest.removeprefix("stage:")
    if stage not in STAGES:
        raise ReferenceSyntaxError(whole, after + len("stage:"), _one_of_the_stages())
    return Reference(registry, model, stage=stage)


def _decode(whole: str, start: int, raw: str, what: str) -> str:
    """One encoded part as plain text, refusing every spelling that would not survive a URL."""
    if not raw:
        raise ReferenceSyntaxError(whole, start, what)
    for pattern, expected in _NOT_CANONICAL:
        if bad := pattern.search(raw):
            raise ReferenceSyntaxError(whole, start + bad.start(), expected)
    if "%" in raw:
        try:
            raw = _ESCAPES.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), raw)
        except UnicodeDecodeError:
            raise ReferenceSyntaxError(whole, start + raw.index("%"), "percent-encoded UTF-8") from None
    if len(raw) > NAME_LIMIT:
        raise ReferenceSyntaxError(whole, start, f"{what} of at most {NAME_LIMIT} characters")
    return raw


def _items(text: str) -> Iterable[tuple[int, str]]:
    start = 0
    for separator in _SEPARATORS.finditer(text):
        if separator.start() > start:
            yield start, text[start : separator.start()]
        start = separator.end()
    if start < len(text):
        yield start, text[start:]


def _parse_item(whole: str, start: int, item: str, registry: str) -> Reference:
    if not item.startswith("models:/"):
        return _parse_at(whole, start, item, registry)
    path = item.removeprefix("models:/")
    at = start + len("models:/")
    if _LOGGED_MODEL.fullmatch(path):
        raise ReferenceSyntaxError(whole, at, "a registered model, not a logged one (models:/m-…)")
    name, slash, selector = path.partition("/")
    if not slash:
        return _parse_at(whole, at, path, registry)
    model = _decode(whole, at, name, "a model name")
    if selector.isascii() and selector.isdigit():
        return Reference(registry, model, version=selector)
    if selector.lower() in STAGES:
        return Reference(registry, model, stage=selector.lower())
    raise ReferenceSyntaxError(whole, at + len(name) + 1, "a version number or a stage, as in models:/name/3")

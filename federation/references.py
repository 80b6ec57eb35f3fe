"""References, the handles of models and versions: `registry/model`, `registry/model:version`,
`registry/model@alias`, `registry/model@stage:production`.

This is the one module that parses and prints them; nobody else splits such strings. The grammar:

- The registry ends at the first `/`, the model name at the first `:` or `@`.
- Percent-encoded (as UTF-8) inside a model name, version or alias: `%`, `:`, `@`, control characters (C0,
  DEL, C1), a leading, trailing or doubled `/`, and the dots of a segment `.` or `..`. The rest stands.
- One spelling is canonical: `parse(str(reference)) == reference`. Characters encoded without need are read
  and printed plain; what must be encoded and is not is refused, because it would not survive a URL.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal
from urllib.parse import quote, unquote

from federation.errors import InvalidRequestError

STAGES: Final = ("none", "staging", "production", "archived")
"""The normalised stages that `@stage:` may name."""

DEPENDS_ON: Final = "depends_on"
"""The tag of a version, or of a whole model, that says what it needs."""
NAME_LIMIT: Final = 1000
"""Longest model name, version or alias, in characters before encoding."""
ENCODED_LIMITS: Final = {"model name": 1500, "version": 1000, "alias": 1000}
"""And in bytes after it, so that a whole reference can be indexed: PostgreSQL takes 2,704 bytes."""
ADDRESS_LIMIT: Final = 2000
"""Longest address in bytes, for the same reason."""
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
_ITEM = re.compile(r"""\"(?P<double>[^"]*)\"(?=[,\s]|\Z)|'(?P<single>[^']*)'(?=[,\s]|\Z)|[^,\s]+""")
"""An item of a list with separators: what stands in quotes is one, whatever it holds."""
_ADDRESS = re.compile(r"//|[a-z][a-z0-9+.-]*:(?:/|[a-z][a-z0-9+.-]*:)")
_LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}")


class ReferenceSyntaxError(InvalidRequestError):
    """Text that is no reference: `position` (in characters, from 0) and what was `expected` there."""

    code = "invalid-reference"

    def __init__(self, text: str, position: int, expected: str) -> None:
        shown = ascii(text if len(text) <= 80 else text[:79] + "…")
        super().__init__(f"{shown} is not a reference: at character {position + 1}, expected {expected}")
        self.text = text
        self.position = position
        self.expected = expected

    @property
    def fields(self) -> Mapping[str, object]:
        return {"position": self.position, "expected": self.expected}


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
class Address:
    """What a backend itself calls a version, outside of any registry's names: `arn:…`, `models:/m-…`, `runs:/…`.

    Whichever version says that this is its address is meant. Raises ReferenceSyntaxError for what cannot be indexed.
    """

    text: str

    def __post_init__(self) -> None:
        if bad := _RAW_FORBIDDEN.search(self.text):
            raise ReferenceSyntaxError(self.text, bad.start(), "an address without control characters")
        if not self.text or len(self.text) > NAME_LIMIT or len(self.text.encode()) > ADDRESS_LIMIT:
            raise ReferenceSyntaxError(self.text, 0, f"an address of 1 to {NAME_LIMIT} characters")

    def __str__(self) -> str:
        return self.text


Target = Reference | Address


@dataclass(frozen=True, slots=True)
class DependsOn:
    """What a `depends_on` tag says: each reference or address once, in order, and each item that could not be read;
    an error's `text` is that item.
    """

    references: tuple[Target, ...]
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

    Items are separated by commas or white space, which are percent-encoded inside a name; they may stand in quotes or
    be a JSON list. An item is a reference, one without its registry (then it is `registry`), an address, or MLflow's
    `models:/name`, `models:/name/3`, `models:/name/latest`, `models:/name/Production`, `models:/name@alias`. Case of
    the registry and a `/` at the end do not matter. A bad item never hides the good ones: it is in `errors`.
    """
    references: dict[Target, None] = {}
    errors: list[ReferenceSyntaxError] = []
    for item in _items(text) if text else ():
        try:
            references[_parse_item(item, registry)] = None
        except ReferenceSyntaxError as error:
            errors.append(error)
    return DependsOn(tuple(references), tuple(errors))


def parse_stated(text: str, registry: str) -> tuple[Target, ...]:
    """Read one reference as a record of a version in `registry` states it: never a list, whatever signs it holds.

    `nlp/base:3` has two readings, of which the first that is there is meant: `nlp/base` of `registry`, `base` of the
    registry `nlp`. Which names are registries is not asked: an answer would tell it to whoever sees only `registry`.
    The last reading as text has the same readings. What is neither a reference nor an address is the name of a model.
    Raises ReferenceSyntaxError for what no name can be.
    """
    try:
        found = _parse_item(text, registry)
        if isinstance(found, Address) or found.registry == registry:
            return (found,)
        if not text.startswith(f"{found.registry}/"):  # in capitals, which no registry has
            return (parse(f"{registry}/{text}"),)
    except ReferenceSyntaxError:
        return (Reference(registry, text),)
    with suppress(ReferenceSyntaxError):  # where it is too long for the name of a model
        return replace(found, registry=registry, model=f"{found.registry}/{found.model}"), found
    return (found,)


def is_address(text: str) -> bool:
    """Whether this has the form of an address, which no reference has."""
    return _ADDRESS.match(text) is not None


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


def _items(text: str) -> Iterator[str]:
    """The items of a list: of a JSON one, or of one with separators, whose items may stand in quotes."""
    text = text.strip()
    try:
        said = json.loads(text) if text[:1] in ("[", '"') else None
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, list):
        items = [one if isinstance(one, str) else json.dumps([one]) for one in said]
    elif isinstance(said, str) and "," not in said:
        items = [said]
    elif text[:1] == "{":
        items = [text]
    else:
        text = said or text
        inner = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
        items = [found["double"] or found["single"] or found[0] for found in _ITEM.finditer(inner)]
    yield from (item for item in map(str.strip, items) if item)


@lru_cache(maxsize=4096)  # what one version needs, most others of its model need as well
def _parse_item(item: str, registry: str) -> Target:
    """One item; an error quotes it and counts in it."""
    if item[:1] in ("[", "{", '"'):
        raise ReferenceSyntaxError(item, 0, "a reference, or a list of them")
    short = item.rstrip("/") or item
    if short.startswith("models:/"):
        return _parse_model_uri(item, short.removeprefix("models:").lstrip("/"), registry)
    if is_address(short):
        return Address(short)
    head, slash, rest = short.partition("/")
    if slash and not is_registry_name(head) and is_registry_name(head.lower()):
        short = f"{head.lower()}/{rest}"
    return _parse_at(item, 0, short, registry)


def _parse_model_uri(item: str, path: str, registry: str) -> Target:
    """MLflow's `models:/…`. MLflow encodes nothing in a name; here it may be, as everywhere in a list."""
    if _LOGGED_MODEL.fullmatch(path):
        return Address(f"models:/{path}")
    at = item.index(path) if path else len(item)
    name, slash, selector = path.partition("/")
    if not slash:
        name, sign, alias = path.rpartition("@")
        named = _model_of(item, at, name if sign else path)
        return Reference(registry, named, alias=alias) if sign else Reference(registry, named)
    model = _model_of(item, at, name)
    if selector.isascii() and selector.isdigit():
        return Reference(registry, model, version=selector)
    if selector.lower() == "latest":
        return Reference(registry, model)
    if selector.lower() in STAGES:
        return Reference(registry, model, stage=selector.lower())
    expected = "a version number, a stage or latest, as in models:/name/3"
    raise ReferenceSyntaxError(item, at + len(name) + 1, expected)


def _model_of(item: str, at: int, name: str) -> str:
    try:
        return _decode(item, at, name, "a model name")
    except ReferenceSyntaxError:
        if not name:
            raise
        return name

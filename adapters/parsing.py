"""The one reader for text that strangers wrote: JSON in a string, and YAML. Nothing else parses such text.

It is bounded before it is decoded, parsed or kept: bytes, depth (counted at the parser's events, long before a
parser's own stack is in question), nodes, aliases. What comes out is plain (dict with text keys, list, str, int of 64
bits, float, bool, None), and every text in it can be stored. Every failure is a `BadRecordError` that says what it is.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from adapters.errors import BadRecordError

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
LONGEST_NUMBER = 64
"""Characters of a YAML scalar that may be anything but text. Longer ones take a parser of numbers quadratic time."""
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + kind: f"construct_yaml_{kind}" for kind in ("null", "bool", "int", "float")}
_TEXT = frozenset((*(_TAG + kind for kind in ("str", "timestamp", "binary", "value")), "!"))
_TEXT_OR_SIGN = re.compile(rb"\"(?:[^\"\\]|\\.)*+\"|([,\[{])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one text may hold. Real files stay below a tenth of each."""

    size: int = 1 << 20
    """Bytes, or characters of a text."""
    depth: int = 64
    """Lists and mappings inside each other."""
    nodes: int = 100_000
    """Values and keys, those that an alias repeats counted each time."""


BOUNDS = Bounds()


def parse_json(given: str | bytes, what: str, bounds: Bounds = BOUNDS, *, unique: bool = False) -> Any:
    """What a JSON text says. `what` names it in errors: `the model card`. `unique`: a name that an object has twice is
    an error, as it is where the text is used. Errors: `BadRecordError`.
    """
    _check_size(given, what, bounds)
    try:
        found = json.loads(given, object_pairs_hook=_unique if unique else None)
    except RecursionError:
        raise _too_deep(what, bounds) from None
    except ValueError:
        raise BadRecordError(f"{what} is not JSON that can be read: look at it on the backend") from None
    return _Plain(what, bounds).take(found, 0)


def parse_yaml(given: str | bytes, what: str, bounds: Bounds = BOUNDS) -> Any:
    """What a YAML text of one document says; None where it is empty. Dates stay text, keys too.

    Errors: `BadRecordError`.
    """
    _check_size(given, what, bounds)
    try:
        return _Composed(what, bounds).document(_events(given))
    except (_yaml().YAMLError, ValueError, LookupError, ArithmeticError):
        raise BadRecordError(f"{what} is not YAML that can be read: look at it on the backend") from None


def with_entry(given: str, name: str, value: Any, what: str, bounds: Bounds = BOUNDS) -> str:
    """A YAML text whose topmost mapping has `value` under `name`, or nothing there (None). Everything else stays as it
    was written, comments too, wherever such a text says what it should; else it is written anew. Errors:
    `BadRecordError` for a text that is no mapping, or cannot be read.
    """
    yaml = _yaml()
    known = parse_yaml(given, what, bounds)
    if not isinstance(known, dict | None):
        raise BadRecordError(f"{what} is no mapping of names to values: look at it on the backend")
    wanted = {**(known or {}), name: value}
    if value is None:
        del wanted[name]

    def written(mapping: dict[str, Any]) -> str:
        return str(yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True)) if mapping else ""

    entry = "" if value is None else written({name: value})
    begin, end = _place(given, name)
    before, after = given[:begin], given[end:] if entry else given[end:].partition("\n")[2]
    if begin == end and before and not before.endswith("\n"):
        before += "\n"
    ends_its_line = given[:end].endswith("\n") or not after
    made = before + (entry if ends_its_line else entry.removesuffix("\n")) + after
    try:
        is_so = (parse_yaml(made, what, bounds) or {}) == wanted
    except BadRecordError:
        is_so = False
    return made if is_so else written(wanted)


def _place(given: str, name: str) -> tuple[int, int]:
    """Where the entry of the topmost mapping with this name begins and ends; its end, twice, where it has none."""
    yaml, depth, keys, found = _yaml(), 0, 0, (len(given), len(given))
    begin, end, is_ours = 0, 0, False
    for event in yaml.parse(given, Loader=yaml.SafeLoader):
        is_end = isinstance(event, yaml.CollectionEndEvent)
        depth -= is_end
        if (depth == 1 and isinstance(event, yaml.NodeEvent)) or (depth == 0 and is_end):
            keys += 1
            if keys % 2 or is_end:
                found = (begin, end) if is_ours else found
                is_ours = getattr(event, "value", None) == name and not is_end
                begin = event.start_mark.index
        if not is_end or event.start_mark.index < event.end_mark.index:
            end = event.end_mark.index
        depth += isinstance(event, yaml.CollectionStartEvent)
    return found


def holds_more_values(body: bytes, most: int) -> bool:
    """Whether a JSON text holds more than so many values, looked at before it is parsed. Costs no memory of note."""
    if sum(body.count(sign) for sign in (b",", b"[", b"{")) < most:
        return False
    signs = (found for found in _TEXT_OR_SIGN.finditer(body) if found[1])
    return next(islice(signs, most - 1, None), None) is not None


def storable(value: Any) -> Any:
    """A JSON value whose texts every database stores: NUL and half of a surrogate pair become U+FFFD."""
    match value:
        case str():
            return UNSTORABLE.sub("\ufffd", value)
        case list():
            return [storable(each) for each in value]
        case dict():
            return {storable(key): storable(each) for key, each in value.items()}
        case _:
            return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name that is there twice")
    return found


def _check_size(given: str | bytes, what: str, bounds: Bounds) -> None:
    if len(given) > bounds.size:
        raise BadRecordError(f"{what} is larger than {bounds.size >> 10} KiB: it is not read")


def _too_deep(what: str, bounds: Bounds) -> BadRecordError:
    return BadRecordError(f"{what} is nested more than {bounds.depth} levels deep: it is not read")


class _Counted:
    """Counts what a text holds."""

    def __init__(self, what: str, bounds: Bounds) -> None:
        self.what, self.bounds = what, bounds
        self.nodes = 0

    def count(self, depth: int, nodes: int = 1) -> None:
        """Errors: `BadRecordError` beyond the bounds."""
        self.nodes += nodes
        if depth > self.bounds.depth:
            raise _too_deep(self.what, self.bounds)
        if self.nodes > self.bounds.nodes:
            raise BadRecordError(f"{self.what} holds more than {self.bounds.nodes:,} values: it is not read")


class _Plain(_Counted):
    """A parsed JSON value, counted and made storable."""

    def take(self, value: Any, depth: int) -> Any:
        self.count(depth)
        match value:
            case str():
                return storable(value)
            case bool():
                return value
            case int():
                return _number(value)
            case list():
                return [self.take(each, depth + 1) for each in value]
            case dict():
                self.count(depth, len(value))
                return {storable(key): self.take(each, depth + 1) for key, each in value.items()}
            case _:
                return value


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A finished value that aliases may repeat: its size and depth count again each time."""

    value: Any
    nodes: int
    height: int


class _Composed(_Counted):
    """A value composed from the events of a YAML parser. Safe for any input: no tag constructs anything."""

    def __init__(self, what: str, bounds: Bounds) -> None:
        super().__init__(what, bounds)
        self._anchors: dict[str, _Anchored] = {}
        self._deepest = 0

    def document(self, events: Iterator[Any]) -> Any:
        """The only document of a stream."""
        yaml, found, documents = _yaml(), None, 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise ValueError("a second document")
                found = self._value(next(events), events, 0)
        return found

    def _value(self, event: Any, events: Iterator[Any], depth: int) -> Any:
        yaml = _yaml()
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event.anchor, depth)
        before, above = self.nodes, self._deepest
        self.count(depth)
        self._deepest = depth
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif event.tag not in (None, "!", _TAG + "seq", _TAG + "map"):
            raise ValueError("a tag")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list(events, depth + 1)
        else:
            value = self._mapping(events, depth + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, self.nodes - before, self._deepest - depth)
        self._deepest = max(self._deepest, above)
        return value

    def _list(self, events: Iterator[Any], depth: int) -> list[Any]:
        end, found = _yaml().SequenceEndEvent, []
        while not isinstance(event := next(events), end):
            found.append(self._value(event, events, depth))
        return found

    def _mapping(self, events: Iterator[Any], depth: int) -> dict[str, Any]:
        yaml, found = _yaml(), {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None:
                raise ValueError("a key that is no text")
            if event.value == "<<" and event.implicit[0]:
                raise BadRecordError(f"{self.what} has a merge key (<<): it is not read; write it out")
            self.count(depth)
            found[storable(event.value)] = self._value(next(events), events, depth)
        return found

    def _repeated(self, anchor: str, depth: int) -> Any:
        known = self._anchors[anchor]
        self.count(depth + known.height, known.nodes)
        self._deepest = max(self._deepest, depth + known.height)
        return known.value


def _scalar(event: Any) -> Any:
    """A scalar's value. What is no number, boolean or null is text, dates too."""
    text, resolver = event.value, _resolver()
    plain = event.implicit[0] or event.tag is not None
    if not plain or len(text) > LONGEST_NUMBER:
        return storable(text)
    node = _yaml().ScalarNode
    tag = event.tag or resolver.resolve(node, text, event.implicit)
    if tag in _PLAIN:
        return _number(getattr(resolver, _PLAIN[tag])(node(tag, text)))
    if tag not in _TEXT:
        raise ValueError("a tag")
    return storable(text)


def _number(value: Any) -> Any:
    """A whole number beyond 64 bits as the float that JSON makes of it."""
    if not isinstance(value, int) or -(2**63) <= value < 2**63:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _events(given: str | bytes) -> Iterator[Any]:
    yaml = _yaml()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Iterator[Any] = iter(yaml.parse(given, Loader=loader))
    return found


@cache
def _yaml() -> Any:
    import yaml

    return yaml


@cache
def _resolver() -> Any:
    """What tells numbers from text, and makes them. Only its methods without a state are used."""
    yaml = _yaml()
    return type("Scalars", (yaml.constructor.SafeConstructor, yaml.resolver.Resolver), {})()

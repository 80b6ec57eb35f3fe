"""MLflow's language of filters and orders: read, with its own words for mistakes, and said as Waypost lists things."""

import json
import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from federation.catalogue.catalogue import ListedModel, ListedVersion, Order
from gateway.mlflow.errors import invalid
from gateway.mlflow.names import shown_name

PROMPT = "mlflow.prompt.is_prompt"
_STRING = r"'(?:''|\\'|[^'])*'|\"(?:\"\"|\\\"|[^\"])*\""
_CLAUSE = re.compile(
    rf"""\s*(?P<left>(?:[A-Za-z_]\w*\s*\.\s*)?(?:`[^`]*`|"[^"]*"|[A-Za-z_][\w./-]*))
    \s*(?P<comparator>!=|<>|<=|>=|=|<|>|\b(?:not\s+in|ilike|like|in)\b)
    \s*(?P<right>{_STRING}|\((?:{_STRING}|[^()'"])*\)|[^\s'"()]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_KEYWORDS = ("true", "false", "null")
_AND = re.compile(r"\s+and\b", re.IGNORECASE)
_ITEM = re.compile(rf"\s*({_STRING})\s*(?:,|\Z)")
_FOREIGN = re.compile(rf"(?:{_STRING}|[\s,])*+[^\s,'\"]")
_LIST = "While parsing a list in the query, expected"
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMERIC = ("=", "!=", ">", ">=", "<", "<=")
_TEXTS = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
_OF_TAGS = _TEXTS[:4]
LONGEST = 10_000
"""Characters of a filter."""
MOST_CLAUSES = 100
_BY = {
    "name": "name",
    "version_number": "version",
    "creation_timestamp": "created",
    "timestamp": "updated",
    "last_updated_timestamp": "updated",
}


class Clause(NamedTuple):
    """One comparison. `key` is an attribute, or with `is_tag` a tag."""

    key: str
    comparator: str
    value: Any
    is_tag: bool = False


@dataclass(frozen=True, slots=True)
class Searched:
    """What can be searched and how: attributes, those of them that are numbers, those that take lists, orders."""

    attributes: Sequence[str]
    numbers: Sequence[str]
    lists: Sequence[str]
    orders: Sequence[str]
    always: tuple[Order, ...]
    """Appended to every order, where it lacks them."""
    natural: tuple[Order, ...]
    calls_order: str
    """What MLflow calls a key of an order where it refuses one."""


MODELS = Searched(
    ("name",),
    (),
    ("name",),
    ("name", "timestamp", "last_updated_timestamp"),
    (Order("name"),),
    (),
    "order by",
)
VERSIONS = Searched(
    ("name", "run_id", "source_path", "version_number"),
    ("version_number",),
    ("name", "run_id"),
    ("creation_timestamp", "last_updated_timestamp", "name", "version_number"),
    (Order("name"), Order("version", False)),
    (Order("updated", False), Order("name"), Order("version", False)),
    "attribute",
)


def read_filter(text: str, searched: Searched) -> list[Clause]:
    """The comparisons of a filter, which all must hold. Errors: 400 in MLflow's words."""
    if len(text) > LONGEST:
        raise invalid(f"Invalid filter: it has more than {LONGEST} characters.")
    found: list[Clause] = []
    place = 0
    while text[place:].strip():
        clause = _CLAUSE.match(text, place)
        joined = _AND.match(text, place) if found else None
        if joined is not None:
            clause = _CLAUSE.match(text, joined.end())
        if clause is None or (found and joined is None) or clause["right"].lower() in _KEYWORDS:
            raise invalid(f"Invalid clause(s) in filter string: {_shown(text[place:].strip())}")
        found.append(_clause(clause, searched))
        place = clause.end()
        if len(found) > MOST_CLAUSES:
            raise invalid(f"Invalid filter: it has more than {MOST_CLAUSES} comparisons.")
    return found


def read_order(given: Sequence[str], searched: Searched) -> tuple[Order, ...]:
    """The order asked for, made total. Errors: 400 in MLflow's words."""
    found: dict[str, Order] = {}
    for text in given:
        words = text.replace("`", "").split()
        if not 1 <= len(words) <= 2:
            raise invalid(f"Invalid order_by clause '{_shown(text)}'. Could not be parsed.")
        if len(words) == 2 and words[1].lower() not in ("asc", "desc"):
            raise invalid(f"Invalid ordering key in order_by clause '{_shown(text)}'.")
        key = words[0].removeprefix("attributes.").removeprefix("attribute.")
        if key not in searched.orders:
            known = set_of(searched.orders)
            raise invalid(
                f"Invalid {searched.calls_order} key '{_shown(key)}' specified. Valid keys are '{known}'"
            )
        by: Any = _BY[key]
        if by in found:
            raise invalid(f"`order_by` contains duplicate fields: {_shown(str(list(given)))}")
        found[by] = Order(by, len(words) == 1 or words[1].lower() == "asc")
    whole = found or {one.by: one for one in searched.natural}
    return (*whole.values(), *(one for one in searched.always if one.by not in whole))


def token_of(after: Sequence[Any], asked: str) -> str:
    """The token of the page behind these values, for the list that was asked for."""
    return b64encode(json.dumps([_print(asked), *after]).encode()).decode()


def read_token(token: str | None, asked: str) -> Sequence[Any]:
    """The values that a page begins behind. Errors: 400."""
    if not token:
        return ()
    try:
        found = json.loads(b64decode(token, validate=True))
    except (Error, ValueError, RecursionError):
        raise invalid("Invalid page token, could not base64-decode") from None
    if not isinstance(found, list) or found[:1] != [_print(asked)] or len(found) < 2:
        raise invalid("Invalid page token: it belongs to another search")
    return found[1:]


def model_holds(clauses: Sequence[Clause]) -> Callable[[ListedModel], bool]:
    """Whether a model is what is searched for: no prompt, unless prompts are."""
    prompts, tests = _asks_for_prompts(clauses), _tests(clauses)

    def holds(model: ListedModel) -> bool:
        record = model.record
        if (record.type == "prompt") != prompts:
            return False
        said: Mapping[str, Any] = {"name": shown_name(record.name)}
        return all(test(record.tags if clause.is_tag else said) for clause, test in tests)

    return holds


def version_holds(clauses: Sequence[Clause]) -> Callable[[ListedVersion], bool]:
    """The same of a version."""
    prompts, tests = _asks_for_prompts(clauses), _tests(clauses)

    def holds(version: ListedVersion) -> bool:
        record = version.record
        if (record.tags.get(PROMPT) == "true") != prompts:
            return False
        number = record.version
        said: Mapping[str, Any] = {
            "name": shown_name(version.model),
            "run_id": record.lineage.run_id,
            "source_path": record.native.get("source") or record.artifact_uri,
            "version_number": int(number) if _NUMBER.fullmatch(number) else None,
        }
        return all(test(record.tags if clause.is_tag else said) for clause, test in tests)

    return holds


def set_of(words: Sequence[str]) -> str:
    """Words as MLflow prints a set of them, in a fixed order."""
    return "{" + ", ".join(map(repr, sorted(words))) + "}"


def _asks_for_prompts(clauses: Sequence[Clause]) -> bool:
    for one in clauses:
        if one.is_tag and one.key == PROMPT:
            return (one.comparator, one.value.lower()) in (("=", "true"), ("!=", "false"))
    return False


def _tests(clauses: Sequence[Clause]) -> list[tuple[Clause, Callable[[Mapping[str, Any]], bool]]]:
    """A test of each comparison, given tags or attributes; what is absent fits none."""
    return [(one, _test(one)) for one in clauses if not (one.is_tag and one.key == PROMPT)]


def _test(one: Clause) -> Callable[[Mapping[str, Any]], bool]:
    compare, key, value = _COMPARED[one.comparator], one.key, one.value
    return lambda said: (there := said.get(key)) is not None and compare(there, value)


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda there, value: bool(there == value),
    "!=": lambda there, value: bool(there != value),
    ">": lambda there, value: bool(there > value),
    ">=": lambda there, value: bool(there >= value),
    "<": lambda there, value: bool(there < value),
    "<=": lambda there, value: bool(there <= value),
    "LIKE": lambda there, value: like(there, value),
    "ILIKE": lambda there, value: like(there.lower(), value.lower()),
    "IN": lambda there, value: there in value,
    "NOT IN": lambda there, value: there not in value,
}


def like(text: str, pattern: str) -> bool:
    """SQL's LIKE: `%` is anything, `_` is one sign. Takes the product of both lengths at most."""
    *parts, last = _parts(pattern)
    place = 0
    for number, part in enumerate(parts):
        found = 0 if number == 0 and _at(text, part, 0) else -1 if number == 0 else _find(text, part, place)
        if found < 0:
            return False
        place = found + len(part)
    if not parts:
        return len(text) == len(last) and _at(text, last, 0)
    return len(text) - len(last) >= place and _at(text, last, len(text) - len(last))


@lru_cache(256)
def _parts(pattern: str) -> tuple[str, ...]:
    return tuple(re.sub("%+", "%", pattern).split("%"))


def _find(text: str, part: str, place: int) -> int:
    if "_" not in part:
        return text.find(part, place)
    ends = range(place, len(text) - len(part) + 1)
    return next((start for start in ends if _at(text, part, start)), -1)


def _at(text: str, part: str, start: int) -> bool:
    if "_" not in part:
        return text.startswith(part, start)
    piece = text[start : start + len(part)]
    return len(piece) == len(part) and all(
        want in ("_", sign) for want, sign in zip(part, piece, strict=True)
    )


def _clause(found: re.Match[str], searched: Searched) -> Clause:
    kind, dot, rest = _divided(found["left"])
    if dot and kind not in ("attribute", "tag", "tags"):
        raise invalid(
            f"Invalid entity type '{_shown(kind)}'. Valid entity types are ('attribute', 'tag', 'tags')"
        )
    is_tag, key = kind in ("tag", "tags"), _bare(rest)
    comparator = " ".join(found["comparator"].upper().split()).replace("<>", "!=")
    if not is_tag and key not in searched.attributes:
        raise invalid(
            f"Invalid attribute key '{_shown(key)}' specified. Valid keys are '{set_of(searched.attributes)}'"
        )
    value = _value(found["right"], key, is_tag, searched)
    _check_comparator(key, comparator, value, is_tag, searched)
    return Clause(key, comparator, value, is_tag)


def _check_comparator(key: str, comparator: str, value: Any, is_tag: bool, searched: Searched) -> None:
    if is_tag:
        if comparator not in _OF_TAGS:
            raise invalid(f"Invalid comparator for tag: {comparator}")
    elif key in searched.numbers:
        if comparator not in _NUMERIC:
            raise invalid(f"Invalid comparator for attribute {key}: {comparator}")
    elif comparator not in _TEXTS or (comparator in ("IN", "NOT IN")) != isinstance(value, tuple):
        raise invalid(f"Invalid comparator for attribute: {comparator}")


def _value(given: str, key: str, is_tag: bool, searched: Searched) -> Any:
    if not is_tag and key in searched.numbers:
        if not _NUMBER.fullmatch(given):
            raise invalid(f"Expected numeric value type for numeric attribute: {key}. Found {_shown(given)}")
        return int(given)
    if given.startswith(("'", '"')):
        return given[1:-1]
    if given.startswith("(") and not is_tag:
        if key not in searched.lists:
            raise invalid(
                f"Only {sorted(searched.lists)} attributes support comparison with a list of quoted string values."
            )
        return _items(given[1:-1])
    if given[:1].isalpha():
        raise invalid(
            "Parameter value is either not quoted or unidentified quote types used for string value "
            f"{_shown(given)}. Use either single or double quotes."
        )
    if is_tag:
        raise invalid(f"Expected a quoted string value for tag (e.g. 'my-value'). Got value {_shown(given)}")
    raise invalid(
        "Expected a quoted string value or a list of quoted string values for attributes. "
        f"Got value {_shown(given)}"
    )


def _items(text: str) -> tuple[str, ...]:
    found: list[str] = []
    place = 0
    if not text.strip():
        raise invalid(f"{_LIST} a non-empty list of string values, but got empty list")
    if _FOREIGN.match(text):
        raise invalid(f"{_LIST} string value, punctuation, or whitespace, but got different type in list")
    while place < len(text.rstrip()):
        item = _ITEM.match(text, place)
        if item is None:
            break
        found.append(item[1][1:-1])
        place = item.end()
    if not found or place < len(text.rstrip()):
        raise invalid(f"{_LIST} a non-empty list of string values, but got ill-formed list.")
    return tuple(found)


def _divided(left: str) -> tuple[str, str, str]:
    """What stands before the first dot, and the key; quotes may hold dots."""
    if left[:1] in "`\"'":
        return "", "", left
    kind, dot, rest = left.partition(".")
    return (kind.strip(), dot, rest.strip()) if dot else ("", "", left)


def _bare(key: str) -> str:
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] and key[0] in "`\"'" else key


def _print(asked: str) -> str:
    return blake2b(asked.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def _shown(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"

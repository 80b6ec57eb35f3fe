"""What the API's description says of each parameter and property: the text behind the attribute in its class, or one
sentence for the word, the same wherever it stands.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from importlib import resources
from typing import Any, get_args, get_type_hints

import msgspec


def describe(schema: dict[str, Any], classes: Mapping[str, type]) -> None:
    """Write a description to every parameter and property that has none. `classes`: those behind the schemas."""
    words = glossary()
    for name, shape in schema["components"]["schemas"].items():
        kind = classes.get(name)
        own = {} if kind is None else _texts_with_bases(kind)
        if kind is not None and kind.__doc__:
            shape.setdefault("description", " ".join(kind.__doc__.split()))
        for field, one in shape.get("properties", {}).items():
            text = own.get(field) or words.get(f"{name} {field}") or words.get(field)
            if text and "description" not in one:
                one["description"] = text
    for methods in schema["paths"].values():
        for method, operation in methods.items():
            if isinstance(operation, dict):
                _describe_parameters(operation, method, words)
    for one in schema["tags"]:
        one["description"] = words[f"/{one['name']}"]


def _describe_parameters(operation: dict[str, Any], method: str, words: Mapping[str, str]) -> None:
    """By what a name means of this method in this area of the API, in the area, or everywhere."""
    [area] = operation["tags"]
    operation["parameters"] = [
        {"description": text, **one} if (text := _said_of(f"/{area} {one['name']}", method, words)) else one
        for one in operation.get("parameters", [])
    ]


def _said_of(name: str, method: str, words: Mapping[str, str]) -> str | None:
    everywhere = name.rpartition(" ")[2]
    return words.get(f"{method.upper()} {name}") or words.get(name) or words.get(everywhere)


@cache
def glossary() -> Mapping[str, str]:
    """What each word of the API means."""
    found: dict[str, str] = {}
    text = resources.files("gateway").joinpath("glossary.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        names, colon, meaning = line.partition(": ")
        if colon and not line.startswith("#"):
            found |= dict.fromkeys(names.split(", "), meaning)
    return found


def _texts_with_bases(kind: type) -> dict[str, str]:
    """As `texts_of`, with what stands in the classes that it extends."""
    return {field: text for base in reversed(kind.__mro__) for field, text in texts_of(base).items()}


@cache
def texts_of(kind: type) -> dict[str, str]:
    """The text that stands behind each attribute of a class, by the name that it has in JSON."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    if not isinstance(body, ast.ClassDef):
        return {}
    written = {field.name: field.encode_name for field in _fields(kind)}
    found: dict[str, str] = {}
    for one, after in zip(body.body, body.body[1:], strict=False):
        is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and is_text:
            said = after.value.value  # type: ignore[attr-defined]
            if isinstance(said, str):
                found[written.get(one.target.id, one.target.id)] = " ".join(said.split())
    return found


def _fields(kind: type) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind) if issubclass(kind, msgspec.Struct) else ()


def classes_in(kinds: Iterator[Any]) -> dict[str, type]:
    """Every class that these types are made of, by its name."""
    found: dict[str, type] = {}
    waiting = list(kinds)
    while waiting:
        one = waiting.pop()
        waiting += get_args(one)
        if not isinstance(one, type) or found.get(one.__name__) is one:
            continue
        if issubclass(one, msgspec.Struct) or is_dataclass(one):
            found[one.__name__] = one
            try:
                waiting += get_type_hints(one).values()
            except NameError:  # a type that is only there for the checker
                continue
    return found

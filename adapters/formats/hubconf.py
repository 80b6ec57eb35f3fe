"""What `hubconf.py` of PyTorch Hub says of its entry points, read as text: nothing of it is ever run or imported."""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from adapters.errors import BadRecordError
from adapters.records import Column, Environment, Schema

LARGEST = 64 << 10
"""Bytes. Real ones have a few thousand."""
DEEPEST = 60


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A function that makes a model. None: it is imported from elsewhere, so nothing more is known of it."""

    description: str | None = None
    schema: Schema | None = None


class Hubconf(NamedTuple):
    """The entry points of a file by name, and what they need."""

    entries: Mapping[str, EntryPoint]
    environment: Environment


def read_hubconf(content: bytes) -> Hubconf:
    """What the file says. Errors: `BadRecordError` for what cannot be read."""
    text = content.decode("utf-8", "replace").replace("\0", " ")
    if len(content) > LARGEST or _depth(text) > DEEPEST:
        raise BadRecordError("hubconf.py is too large, or nested too deeply: it is not read")
    try:
        found: dict[str, EntryPoint] = {}
        needed: dict[str, str] = {}
        for node in ast.parse(text).body:
            found |= {name: entry for name, entry in _entries(node) if not name.startswith("_")}
            needed |= _needed(node)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadRecordError("hubconf.py is not Python that can be read") from None
    return Hubconf(
        found, Environment(libraries=needed, ecosystem="pypi" if needed else None, file="hubconf.py")
    )


def _entries(node: ast.stmt) -> Iterator[tuple[str, EntryPoint]]:
    if isinstance(node, ast.FunctionDef):
        params = tuple(_params(node.args))
        yield node.name, EntryPoint(ast.get_docstring(node), Schema(params=params) if params else None)
    elif isinstance(node, ast.ImportFrom):
        yield from ((each.asname or each.name, EntryPoint()) for each in node.names if each.name != "*")


def _needed(node: ast.stmt) -> dict[str, str]:
    """The packages in `dependencies = [...]`."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.List | ast.Tuple):
        return {}
    if not any(isinstance(each, ast.Name) and each.id == "dependencies" for each in node.targets):
        return {}
    return {
        one.value: ""
        for one in node.value.elts
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def _params(given: ast.arguments) -> Iterator[Column]:
    """Parameters that have a default which is written out."""
    named = [*given.posonlyargs, *given.args]
    without: list[ast.expr | None] = [None] * (len(named) - len(given.defaults))
    by_place = zip(named, [*without, *given.defaults], strict=True)
    pairs = [*by_place, *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    for argument, default in pairs:
        if isinstance(default, ast.Constant) and isinstance(default.value, str | int | float | None):
            kind = ast.unparse(argument.annotation) if argument.annotation else type(default.value).__name__
            yield Column(argument.arg, kind, required=False, default=json.dumps(default.value))


def _depth(text: str) -> int:
    """How deep brackets are nested, at most, whatever is text between them."""
    depth = deepest = 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    return deepest

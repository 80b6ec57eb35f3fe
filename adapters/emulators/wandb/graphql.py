"""As much of GraphQL as clients of Weights & Biases send: operations with variables, fragments and `@include`.

An object is a mapping of fields to values, or to functions of their arguments; `__typename` is its type.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r'[\s,]*(?:#[^\n]*[\s,]*)*(\.\.\.|[{}()\[\]:!=@|]|\$?[A-Za-z_]\w*|"(?:[^"\\]|\\.)*"|-?[\d.]+)'
)
KINDS = {"ArtifactCollection": ("ArtifactPortfolio", "ArtifactSequence")}
"""Interfaces, and what implements them."""
Variables = Mapping[str, Any]


class QueryError(Exception):
    """What a server of GraphQL says of a query that it does not answer."""


class SelectedField(NamedTuple):
    """A field, or (without `name`) a fragment: of a type where that is in its place, or by its name."""

    name: str
    alias: str
    args: Mapping[str, Any]
    only_if: Any
    inside: "list[SelectedField] | None"
    on: str = ""
    spread: str = ""


class QueryDocument:
    """A parsed document: one operation and its fragments."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0
        self.fragments: dict[str, list[SelectedField]] = {}
        self.operation, self.name, self.defaults, self.root = "", "", dict[str, Any](), list[SelectedField]()
        while self._at < len(self._tokens):
            kind = self._next()
            if kind == "fragment":
                name = self._next()
                self._at += 2  # on TYPE
                self.fragments[name] = self._selection()
            else:
                self.operation, self.name = kind, self._next()
                self.defaults = self._variables() if self._peek() == "(" else {}
                self.root = self._selection()

    def answer(self, root: Mapping[str, Any], variables: Variables) -> dict[str, Any]:
        """The data. Errors: `QueryError`."""
        return self._object(root, self.root, {**self.defaults, **variables})

    def _object(self, value: Any, selection: list[SelectedField], variables: Variables) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for one in selection:
            if one.only_if is not None and not _given(one.only_if, variables):
                continue
            if one.name:
                found[one.alias] = self._field(value, one, variables)
                continue
            kind = value.get("__typename", "")
            if not one.on or not kind or kind in (one.on, *KINDS.get(one.on, ())):
                found |= self._object(
                    value, self.fragments[one.spread] if one.spread else one.inside or [], variables
                )
        return found

    def _field(self, value: Any, one: SelectedField, variables: Variables) -> Any:
        if one.name not in value:
            raise QueryError(f'Cannot query field "{one.name}" on type "{value.get("__typename", "Query")}".')
        found = value[one.name]
        if callable(found):
            found = found(**{name: _given(given, variables) for name, given in one.args.items()})
        return self._shaped(found, one.inside, variables)

    def _shaped(self, found: Any, inside: list[SelectedField] | None, variables: Variables) -> Any:
        if isinstance(found, list):
            return [self._shaped(each, inside, variables) for each in found]
        return found if found is None or inside is None else self._object(found, inside, variables)

    def _selection(self) -> list[SelectedField]:
        self._next()  # {
        found = []
        while self._peek() != "}":
            found.append(self._selected())
        self._next()
        return found

    def _selected(self) -> SelectedField:
        name = self._next()
        if name == "...":
            if self._peek() in ("on", "{", "@"):
                on = self._after("on") or ""
                return SelectedField("", "", {}, self._directive(), self._selection(), on)
            spread = self._next()
            return SelectedField("", "", {}, self._directive(), None, "", spread)
        alias, name = (name, self._next()) if self._after(":", keep=True) else (name, name)
        args = self._arguments() if self._peek() == "(" else {}
        only_if = self._directive()
        return SelectedField(name, alias, args, only_if, self._selection() if self._peek() == "{" else None)

    def _directive(self) -> Any:
        if self._peek() != "@":
            return None
        self._at += 2  # @include
        return self._arguments()["if"]

    def _arguments(self) -> dict[str, Any]:
        self._next()  # (
        found = {}
        while self._peek() != ")":
            name = self._next()
            self._next()  # :
            found[name] = self._value()
        self._next()
        return found

    def _value(self) -> Any:
        token = self._next()
        if token == "[":
            found = []
            while self._peek() != "]":
                found.append(self._value())
            self._next()
            return found
        literals = {"true": True, "false": False, "null": None}
        if token in literals:
            return literals[token]
        return json.loads(token) if token[0] in '"-0123456789' else token

    def _variables(self) -> dict[str, Any]:
        """The defaults of variables, by name."""
        self._next()  # (
        found: dict[str, Any] = {}
        name = ""
        while (token := self._next()) != ")":
            if token.startswith("$"):
                name = token[1:]
                found[name] = None
            elif token == "=":
                found[name] = self._value()
        return found

    def _after(self, word: str, *, keep: bool = False) -> str | None:
        """The token behind a word, where that is next; `keep`: only the word is taken."""
        if self._peek() != word:
            return None
        self._at += 1
        return word if keep else self._next()

    def _peek(self) -> str:
        return str(self._tokens[self._at])

    def _next(self) -> str:
        self._at += 1
        return str(self._tokens[self._at - 1])


def _given(value: Any, variables: Variables) -> Any:
    return variables.get(value[1:]) if isinstance(value, str) and value.startswith("$") else value

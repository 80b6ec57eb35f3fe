"""What a client asks for, read strictly: the parameters of a GET, or a JSON object in the body of everything else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.api.requests import AnyRequest
from gateway.door.limits import check_body
from gateway.mlflow.errors import invalid

DOCS = " See the API docs for more information about request parameters."
LONGEST = 100_000
"""Characters of one text, as MLflow's own longest tag has."""


@dataclass(frozen=True, slots=True)
class CallFields:
    """The fields of a request."""

    fields: Mapping[str, Any]
    from_query: bool = False

    def text(self, name: str) -> str:
        """A text that must be there. Errors: 400."""
        value = self.optional(name)
        if not value:
            raise invalid(f"Missing value for required parameter '{name}'.{DOCS}")
        return value

    def optional(self, name: str) -> str | None:
        """A text, None where there is none. Errors: 400."""
        value = self.fields.get(name)
        if value is None:
            return None
        return self._text(name, value[-1] if self.from_query else value)

    def texts(self, name: str) -> Sequence[str]:
        """Texts, as many as there are. Errors: 400."""
        value = self.fields.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise _wrong(name, value)
        return [self._text(name, one) for one in value]

    def number(self, name: str, default: int, most: int) -> int:
        """A number from 0 on. Errors: 400."""
        value = self.fields.get(name)
        if value is None:
            return default
        if self.from_query:
            value = value[-1]
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
            value = int(value)
        if type(value) is not int or not 0 <= value <= most:
            raise invalid(f"Invalid value {_shown(value)} for parameter '{name}' supplied.{DOCS}")
        return value

    def flag(self, name: str) -> bool:
        """Whether something is wanted. Errors: 400."""
        value = self.fields.get(name, False)
        if self.from_query and isinstance(value, list):
            value = {"true": True, "false": False}.get(value[-1].lower(), value)
        if type(value) is not bool:
            raise _wrong(name, value)
        return value

    def pairs(self, name: str) -> dict[str, str]:
        """Tags: objects with `key` and `value`. Errors: 400."""
        value = self.fields.get(name)
        if value is None:
            return {}
        if not isinstance(value, list) or not all(isinstance(one, dict) and one.get("key") for one in value):
            raise _wrong(name, value)
        return {self._text("key", one["key"]): self._text("value", one.get("value", "")) for one in value}

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str):
            raise _wrong(name, value)
        if len(value) > LONGEST:
            raise invalid(f"'{name}' exceeds the maximum length of {LONGEST} characters")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _wrong(name, value) from None
        return value


async def read_asked(request: AnyRequest) -> CallFields:
    """What a request asks for. Errors: 400."""
    query = request.query_params
    if request.method == "GET" and query:
        return CallFields({name: query.getall(name) for name in query}, from_query=True)
    body = await request.body()
    if not body.strip():
        return CallFields({})
    if request.method == "GET":  # in other methods every body is looked at before anybody reads it
        check_body(body)
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise invalid(f"The request body could not be parsed as JSON: {error}") from None
    if not isinstance(found, dict):
        raise invalid("The request body must be a JSON object.")
    return CallFields(found)


def _wrong(name: str, value: object) -> Exception:
    kind = type(value).__name__
    return invalid(
        f"Invalid value {_shown(value)} for parameter '{name}' supplied: Hint: Value was of type '{kind}'.{DOCS}"
    )


def _shown(value: object) -> str:
    return ascii(value)[:200]

"""What every List method shares: filters, ordering, pages behind opaque tokens, field masks."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc

from adapters.emulators.vertex.faults import RpcError

MAX_PAGE = 100
_TOKEN_KEY = b"tokens are opaque: nobody outside builds one"
_CLAUSE = re.compile(
    r"""\s*(?P<field>[A-Za-z_]+)
    (?:\.(?P<key>"[^"]*"|[^\s:=!]+))?
    \s*(?P<op>!=|=|:)\s*
    (?P<value>"[^"]*"|\*|[^\s]+)\s*(?:AND\s+|$)""",
    re.VERBOSE,
)


def invalid(message: str) -> RpcError:
    """The answer to a request that breaks a documented rule."""
    return RpcError(grpc.StatusCode.INVALID_ARGUMENT, message)


def matching(rows: Sequence[Any], expression: str, names: Mapping[str, Callable[[Any], str]]) -> list[Any]:
    """The rows that satisfy every clause: `labels.k=v`, `labels.k:*`, `labels:k`, or a field of `names`
    with = or !=.
    """
    kept, at = list(rows), 0
    while at < len(expression.rstrip()):
        clause = _CLAUSE.match(expression, at)
        if clause is None:
            raise invalid(f"Invalid filter at character {at}: {expression!r}")
        kept = list(filter(_condition(clause, names), kept))
        at = clause.end()
    return kept


def _condition(clause: re.Match[str], names: Mapping[str, Callable[[Any], str]]) -> Callable[[Any], bool]:
    field = re.sub(r"(?<!^)([A-Z])", r"_\1", clause["field"]).lower()
    key, value = (clause["key"] or "").strip('"'), clause["value"].strip('"')
    if field == "labels" and clause["op"] == ":":
        return lambda row: (key or value) in row.labels
    if field == "labels" and clause["op"] == "=" and key:
        return lambda row: bool(row.labels.get(key) == value)
    if field not in names or key or clause["op"] == ":":
        raise invalid(f"Unsupported filter field: {clause['field']}")
    return lambda row: (names[field](row) == value) == (clause["op"] == "=")


def page_of(
    rows: list[Any], request: Any, fields: Mapping[str, str], largest: int = MAX_PAGE
) -> tuple[list[Any], str]:
    """One page of rows, in the order asked for, and the token of the next (`""` after the last).

    `fields` maps the names that `order_by` knows (`update_time desc, display_name`) to message fields. A token holds
    the place of the last row, so what is created or deleted meanwhile moves nothing; it serves its own query only.
    """
    if request.page_size < 0:
        raise invalid("page_size must not be negative")
    order = _parse_order(getattr(request, "order_by", ""), fields)
    query = type(request)()
    query.CopyFrom(request)
    query.page_token, query.page_size = "", 0
    digest = hashlib.sha256(query.SerializeToString(deterministic=True)).hexdigest()[:16]
    rows = sorted(rows, key=lambda row: _RowPosition(_place(row, order), order))
    if request.page_token:
        last = _RowPosition(_read_token(request.page_token, digest), order)
        rows = [row for row in rows if last < _RowPosition(_place(row, order), order)]
    size = min(request.page_size or largest, largest)
    page, more = rows[:size], len(rows) > size
    token = _make_token(_place(page[-1], order), digest) if more else ""
    if request.HasField("read_mask"):
        page = [_masked(row, request.read_mask) for row in page]
    return page, token


def _parse_order(order_by: str, fields: Mapping[str, str]) -> list[tuple[str, bool]]:
    order = []
    for part in (clause.split() for clause in order_by.split(",") if clause.strip()):
        if part[0] not in fields or part[1:] not in ([], ["asc"], ["desc"]):
            raise invalid(f"Unsupported order_by: {order_by!r}")
        order.append((fields[part[0]], part[1:] == ["desc"]))
    return [*order, ("name", False)]


def _place(row: Any, order: list[tuple[str, bool]]) -> list[Any]:
    values = (getattr(row, attribute) for attribute, _ in order)
    return [value if isinstance(value, str) else [value.seconds, value.nanos] for value in values]


class _RowPosition:
    """Where a row stands; compares by each field in its own direction."""

    def __init__(self, values: list[Any], order: list[tuple[str, bool]]) -> None:
        self.values, self.order = values, order

    def __lt__(self, other: "_RowPosition") -> bool:
        for mine, theirs, (_, descending) in zip(self.values, other.values, self.order, strict=True):
            if mine != theirs:
                return bool((mine > theirs) if descending else (mine < theirs))
        return False


def _make_token(place: list[Any], digest: str) -> str:
    body = json.dumps([place, digest]).encode()
    return base64.urlsafe_b64encode(hmac.digest(_TOKEN_KEY, body, "sha256")[:8] + body).decode()


def _read_token(token: str, digest: str) -> list[Any]:
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise invalid("Invalid page_token") from error
    if not hmac.compare_digest(raw[:8], hmac.digest(_TOKEN_KEY, raw[8:], "sha256")[:8]):
        raise invalid("Invalid page_token")
    place, made_for = json.loads(raw[8:])
    if made_for != digest:
        raise invalid("page_token was made for another request")
    return list(place)


def _masked(row: Any, mask: Any) -> Any:
    kept = type(row)()
    mask.MergeMessage(row, kept)
    return kept

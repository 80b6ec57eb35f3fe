"""Rows of further listings that belong to versions: their runs, their data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.errors import AuthError, InvalidError
from adapters.rest.client import RestClient
from adapters.rest.config import Related, Versions
from adapters.rest.records import RELATED
from adapters.scanning import Steps

AT_ONCE = 50
"""Versions whose rows are asked for by one request: their ids stand in its address."""


def with_related(api: RestClient, versions: Versions, rows: Sequence[Any]) -> list[Any]:
    """The JSON of versions, each with what else belongs to it under `RELATED`. What the credentials may not read is
    null there. Errors: any other `AdapterError`.
    """
    if not versions.related:
        return list(rows)
    ids = [_id_of(versions, row) for row in rows]
    known = [one for one in ids if one is not None]
    found = {name: _found(api, one, known) for name, one in versions.related.items()}

    def of(ident: str) -> dict[str, list[Any] | None]:
        return {name: None if by is None else by.get(ident, []) for name, by in found.items()}

    pairs = zip(rows, ids, strict=True)
    return [row if ident is None else {**row, RELATED: of(ident)} for row, ident in pairs]


def _found(api: RestClient, related: Related, ids: list[str]) -> dict[str, list[Any]] | None:
    """The rows of a listing by the version they belong to; None: not allowed."""
    found: dict[str, list[Any]] = {}
    try:
        for start in range(0, len(ids), AT_ONCE):
            for row in _rows(api, related, ids[start : start + AT_ONCE]):
                found.setdefault(str(related.version.of(row)), []).append(row)
    except AuthError:
        return None
    except ValueError as error:
        raise InvalidError(f"{api.host}{related.path}: {error}: correct `related`") from None
    return found


def _rows(api: RestClient, related: Related, ids: list[str]) -> Iterator[Any]:
    more: Mapping[str, str] = {
        related.param: related.text.format(ids=",".join(ids), json=json.dumps(ids)),
    }
    steps, cursor = Steps(lambda: InvalidError(f"{api.host}{related.path}: its pages do not end")), None
    while True:
        page = api.page(related, related.path, cursor, related.page.size_value, more)
        if page.bad is not None:
            raise InvalidError(str(page.bad))
        yield from page.items
        cursor = page.next
        if cursor is None:
            return
        steps.take(cursor, is_empty=not page.items)


def _id_of(versions: Versions, row: Any) -> str | None:
    try:
        found = versions.id.of(row)
    except ValueError:
        return None
    return str(found) if isinstance(row, dict) and isinstance(found, str | int) else None

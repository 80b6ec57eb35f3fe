"""The models and versions of one registry, in an order of somebody's choice, page by page.

The database narrows down what it can say of names, ids and text; `holds` decides. A page goes on behind the values of
the last row, not behind a count, so what comes or goes meanwhile moves nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
)

from adapters import ModelRecord, VersionRecord
from federation import tables
from federation.catalogue import codec
from federation.errors import InvalidRequestError
from federation.references import decode_part, encode_part

AT_ONCE = 200
"""Rows that are read at once where only looking at them tells which are wanted."""
By: TypeAlias = Literal["name", "created", "updated", "version"]
_models, _versions = tables.model.c, tables.version.c
_MODELS = select(tables.model).where(_models.deleted_at.is_(None))
_VERSIONS = (
    select(
        _versions.id, _versions.model_id, _versions.version, _versions.stage, _versions.body, _versions.details,
        _versions.created_at, _versions.updated_at, _versions.first_seen_at,
        _models.name, _models.body.label("model_body"),
    )
    .join(tables.model, _models.id == _versions.model_id)
    .where(_versions.deleted_at.is_(None), _models.deleted_at.is_(None))
)  # fmt: skip


class ListedVersion(NamedTuple):
    """A version in a list. `aliases` are those that name it."""

    model: str
    record: VersionRecord
    stage: str
    aliases: tuple[str, ...]


class ListedModel(NamedTuple):
    """A model in a list, with the newest version of each normalised stage."""

    record: ModelRecord
    latest: Sequence[ListedVersion] = ()


class Order(NamedTuple):
    """What a list is ordered by."""

    by: By
    ascending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """What of a registry is listed, at most `limit` of it. `name`: the model's; `naming` and `mentioning` are texts
    which only those can be wanted that have them in their model's name (whatever its case) or in their record;
    `among`: only these versions, by model and version.
    """

    registry_id: int
    order: Sequence[Order]
    limit: int
    after: Sequence[Any] = ()
    name: str | None = None
    naming: Sequence[str] = ()
    mentioning: Sequence[str] = ()
    among: Sequence[tuple[str, str]] | None = None
    holds: Callable[[Any], bool] | None = None


class ListPage(NamedTuple):
    """A page, and the values behind which the next one begins; none where this is the last."""

    rows: Sequence[Any]
    after: Sequence[Any]


def list_models(connection: Connection, request: ListRequest) -> ListPage:
    """Living models. What `holds` is given has no `latest`."""
    query = _narrowed(_MODELS, request, _models.registry_id, _models.body)
    rows, after = _page(connection, query, request, _MODEL_KEYS, lambda row: ListedModel(_model(row)))
    latest = read_latest(connection, [row.id for row, _ in rows])
    return ListPage([ListedModel(one.record, latest.get(row.id, ())) for row, one in rows], after)


def list_versions(connection: Connection, request: ListRequest) -> ListPage:
    """Living versions of living models."""
    query = _narrowed(_VERSIONS, request, _models.registry_id, _versions.body)
    if request.among is not None:
        pairs = [(encode_part(model), encode_part(version)) for model, version in request.among]
        query = query.where(tuple_(_models.name, _versions.version).in_(pairs))
    rows, after = _page(connection, query, request, _VERSION_KEYS, _RowReader().version)
    return ListPage([one for _, one in rows], after)


def read_latest(connection: Connection, model_ids: Sequence[int]) -> Mapping[int, list[ListedVersion]]:
    """The newest version of each normalised stage, by the ids of some models."""
    newest = func.row_number().over(
        partition_by=(_versions.model_id, _versions.stage),
        order_by=(func.length(_versions.version).desc(), _versions.version.desc()),
    )
    ranked = (
        select(_versions.id, newest.label("place"))
        .where(_versions.model_id.in_(model_ids), _versions.deleted_at.is_(None))
        .subquery()
    )
    query = _VERSIONS.join(ranked, ranked.c.id == _versions.id).where(ranked.c.place == 1)
    found: dict[int, list[ListedVersion]] = {}
    reader = _RowReader()
    for row in connection.execute(query) if model_ids else ():
        found.setdefault(row.model_id, []).append(reader.version(row))
    return found


class _RowReader:
    """Makes versions of rows; what their model says is read once."""

    def __init__(self) -> None:
        self._aliases: dict[int, Mapping[str, str]] = {}

    def version(self, row: Any) -> ListedVersion:
        aliases = self._aliases.get(row.model_id)
        if aliases is None:
            aliases = self._aliases[row.model_id] = codec.aliases_of(row.model_body)
        record = codec.decode_version(row.body, row.details)
        named = tuple(sorted(alias for alias, version in aliases.items() if version == record.version))
        return ListedVersion(decode_part(row.name), record, row.stage, named)


def _model(row: Any) -> ModelRecord:
    return codec.decode_model(row.body)


def _moment(*times: ColumnElement[Any]) -> ColumnElement[int]:
    """The first of some times that is known, in microseconds."""
    return type_coerce(func.coalesce(*times), BigInteger)


_MODEL_KEYS: Mapping[By, tuple[ColumnElement[Any], ...]] = {
    "name": (_models.name,),
    "created": (_moment(_models.created_at, _models.first_seen_at),),
    "updated": (_moment(_models.updated_at, _models.created_at, _models.first_seen_at),),
}
_VERSION_KEYS: Mapping[By, tuple[ColumnElement[Any], ...]] = {
    "name": (_models.name,),
    "created": (_moment(_versions.created_at, _versions.first_seen_at),),
    "updated": (_moment(_versions.updated_at, _versions.created_at, _versions.first_seen_at),),
    "version": (func.length(_versions.version), _versions.version),  # numbers by their value, all else anyhow
}


def _narrowed(
    query: Select[Any], request: ListRequest, registry: ColumnElement[int], body: ColumnElement[str]
) -> Select[Any]:
    query = query.where(registry == request.registry_id)
    if request.name is not None:
        query = query.where(_models.name == encode_part(request.name))
    for text in request.naming:
        query = query.where(func.lower(_models.name).contains(text.lower(), autoescape=True))
    for text in request.mentioning:
        query = query.where(body.contains(text, autoescape=True))
    return query


def _page(
    connection: Connection,
    query: Select[Any],
    request: ListRequest,
    keys: Mapping[By, tuple[ColumnElement[Any], ...]],
    read: Callable[[Any], Any],
) -> tuple[list[tuple[Any, Any]], Sequence[Any]]:
    """The rows of a page with what was read of each, and where the next one begins."""
    columns = [(column, one.ascending) for one in request.order for column in keys[one.by]]
    named = [column.label(f"key{place}") for place, (column, _) in enumerate(columns)]
    query = query.add_columns(*named).order_by(
        *(column.asc() if ascending else column.desc() for column, ascending in columns)
    )
    if request.after:
        query = query.where(_beyond(columns, request.after))
    found: list[tuple[Any, Any]] = []
    for row in _rows(connection, query, request):
        one = read(row)
        if request.holds is not None and not request.holds(one):
            continue
        if len(found) == request.limit:
            last = found[-1][0]
            return found, [getattr(last, f"key{place}") for place in range(len(columns))]
        found.append((row, one))
    return found, ()


def _rows(connection: Connection, query: Select[Any], request: ListRequest) -> Iterator[Any]:
    if request.holds is None:
        yield from connection.execute(query.limit(request.limit + 1))
        return
    # Closed as soon as the page is full: what was not looked at is not fetched.
    with connection.execute(query.execution_options(yield_per=AT_ONCE)) as rows:
        yield from rows


def _beyond(columns: Sequence[tuple[ColumnElement[Any], bool]], after: Sequence[Any]) -> ColumnElement[bool]:
    """What comes behind these values in the order. Errors: `InvalidRequestError` where they are of another one."""
    if len(after) != len(columns) or not all(
        _could_be(column, value) for (column, _), value in zip(columns, after, strict=True)
    ):
        raise InvalidRequestError("this page belongs to another list: begin with the first one")
    some = []
    for place, ((column, ascending), value) in enumerate(zip(columns, after, strict=True)):
        same = [before == known for (before, _), known in zip(columns[:place], after, strict=False)]
        some.append(and_(*same, column > value if ascending else column < value))
    return or_(*some)


def _could_be(column: ColumnElement[Any], value: object) -> bool:
    if isinstance(column.type, String):
        return isinstance(value, str) and "\0" not in value
    return type(value) is int and abs(value) < 1 << 63

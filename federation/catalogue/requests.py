"""Would a version take a request? By the rules by which MLflow enforces a signature, column by column.

Each way in which a request comes has its own rules, and the verdict holds for that way alone. MLflow's server casts
JSON by the signature before it checks anything: 1.7 becomes 1, "no" becomes true, a number becomes a moment of 1970.
What would arrive as something else than was sent is a mistake here. `test_requests_served` holds it against MLflow.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec

from adapters import ANY, Column, DataType, ObjectOf, Scalar, Schema, parse_type
from federation.catalogue.values import (
    WHOLE,
    are_known,
    element,
    inside,
    is_dtype,
    moments,
    param,
    shown,
    text,
    top,
    whole,
)
from federation.errors import InvalidRequestError

Way = Literal["dataframe_split", "dataframe_records", "inputs", "instances", "csv", "parquet"]
MOST_PROBLEMS = 100
MISSING = frozenset({"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
                     "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"})  # fmt: skip
"""What a CSV cell says where it says nothing, as pandas reads it."""


class SplitTable(msgspec.Struct, forbid_unknown_fields=True):
    """A table as MLflow's `dataframe_split` has it."""

    data: list[list[Any]]
    columns: list[str] | None = None
    index: list[Any] | None = None


class TypedColumn(msgspec.Struct, forbid_unknown_fields=True):
    """A column of a Parquet file, told without its values: the type as Arrow writes it, whether a value is missing, and
    of whole numbers the least and greatest.
    """

    name: str
    type: str
    nulls: bool = False
    minimum: int | None = None
    maximum: int | None = None


class SampleRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What would be sent to a version: in one of MLflow's own forms of JSON, as CSV, or as the columns of a Parquet
    file; and `params`.
    """

    dataframe_split: SplitTable | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    inputs: Any = None
    instances: Any = None
    csv: str | None = None
    parquet: list[TypedColumn] | None = None
    params: dict[str, Any] = {}


class RequestProblem(msgspec.Struct, frozen=True):
    """Why a column is refused, or would not arrive as it was sent; `row` counts from 0."""

    column: str
    problem: str
    row: int | None = None


class Validation(msgspec.Struct, frozen=True):
    """Whether a version takes a request, on the way in which it comes; `unknown`: nobody knows what it takes, or
    of a column what values it has."""

    ref: str
    way: Way
    verdict: Literal["yes", "no", "unknown"]
    rows: int
    problems: list[RequestProblem]
    """The first of each column."""
    ignored: list[str]
    """Columns and params that the version does not know."""
    unchecked: list[str] = []
    """Columns and params that were sent and have a type that is not known here: nobody knows whether they are taken."""


class _Wrong(NamedTuple):
    why: str
    row: int | None = None


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns by name or place; None stands for what is missing."""

    columns: Mapping[str, Sequence[Any]]
    rows: int
    is_text: bool = False


def validate(ref: str, schema: Schema | None, sent: SampleRequest) -> Validation:
    """Hold a request against what a version takes. Errors: `InvalidRequestError` for what is no request."""
    way = _way(sent)
    if way == "parquet":
        columns = {one.name: [one] for one in sent.parquet or ()}
        table = _Table(columns, 0)
    else:
        table = _tensors(sent, schema) if way in ("inputs", "instances") else _table(sent, way)
    if schema is None:
        return Validation(ref, way, "unknown", table.rows, [], [])
    given = [one for one in schema.inputs if one.positional or one.name in table.columns]
    given += [one for one in schema.params if sent.params.get(one.name) is not None]
    unchecked = [one.name for one in given if not _is_known(one)]
    problems = [*_columns(schema.inputs, table, way), *_params(schema.params, sent.params)]
    known = {one.name for one in schema.inputs}
    ignored = [] if _by_place(schema.inputs) else [name for name in table.columns if name not in known]
    ignored += sorted(sent.params.keys() - {one.name for one in schema.params})
    verdict: Literal["yes", "no", "unknown"] = "no" if problems else "unknown" if unchecked else "yes"
    told = (problems[:MOST_PROBLEMS], ignored[:MOST_PROBLEMS], unchecked[:MOST_PROBLEMS])
    return Validation(ref, way, verdict, table.rows, *told)


def _is_known(column: Column) -> bool:
    """Whether a column's type is one of MLflow's, or of numpy's where it is a tensor."""
    if column.shape is not None and is_dtype(column.type):
        return True
    return are_known(parse_type(column.type))


def _way(sent: SampleRequest) -> Way:
    ways: tuple[Way, ...] = ("dataframe_split", "dataframe_records", "inputs", "instances", "csv", "parquet")
    given = [name for name in ways if getattr(sent, name) is not None]
    if len(given) != 1:
        raise InvalidRequestError(f"send one of {', '.join(ways)}")
    return given[0]


def _by_place(inputs: Sequence[Column]) -> bool:
    return bool(inputs) and inputs[0].positional


def _table(sent: SampleRequest, way: Way) -> _Table:
    if way == "csv":
        try:
            head, *rows = csv.reader(io.StringIO(sent.csv or ""), strict=True)
        except (ValueError, csv.Error):
            raise InvalidRequestError("this is no CSV with a head line") from None
        lines = [[None if cell in MISSING else cell for cell in row] for row in rows if row]
    elif sent.dataframe_split is not None:
        lines = sent.dataframe_split.data
        width = max(map(len, lines), default=0)
        head = sent.dataframe_split.columns or [str(place) for place in range(width)]
    else:
        records = sent.dataframe_records or []
        head = list(dict.fromkeys(name for record in records for name in record))
        lines = [[record.get(name) for name in head] for record in records]
    if any(len(line) != len(head) for line in lines):
        raise InvalidRequestError("a row has more or fewer values than there are columns")
    if len(set(head)) < len(head):
        raise InvalidRequestError("two columns have one name")
    columns = {name: [line[place] for line in lines] for place, name in enumerate(head)}
    return _Table(columns, len(lines), is_text=way == "csv")


def _tensors(sent: SampleRequest, schema: Schema | None) -> _Table:
    """Tensors by name; the only one that has none is called `0`."""
    if schema is not None and any(one.shape is None for one in schema.inputs):
        raise InvalidRequestError(
            "it takes columns: send dataframe_split or dataframe_records, CSV or Parquet"
        )
    given = sent.inputs if sent.inputs is not None else sent.instances
    if isinstance(given, list) and given and all(isinstance(one, dict) for one in given):
        names = list(dict.fromkeys(name for one in given for name in one))
        given = {name: [one.get(name) for one in given] for name in names}
    if not isinstance(given, dict):
        inputs = () if schema is None else schema.inputs
        given = {inputs[0].name if len(inputs) == 1 else "0": given}
    first = next(iter(given.values()), None)
    return _Table(
        {name: [value] for name, value in given.items()}, len(first) if isinstance(first, list) else 1
    )


def _columns(inputs: Sequence[Column], table: _Table, way: Way) -> Iterator[RequestProblem]:
    places = list(table.columns.values()) if _by_place(inputs) else []
    for place, column in enumerate(inputs):
        values = (
            (places[place] if place < len(places) else None)
            if column.positional
            else table.columns.get(column.name)
        )
        if values is None:
            if column.required:
                yield RequestProblem(column.name, "it is missing")
            continue
        wrong = _first(column, values, table, way)
        if wrong is not None:
            yield RequestProblem(column.name, wrong.why, wrong.row)


def _first(column: Column, values: Sequence[Any], table: _Table, way: Way) -> _Wrong | None:
    """What is wrong with a column, first of all."""
    if column.shape is None and not _is_known(column):
        return None
    of = parse_type(column.type)
    if column.shape is not None:
        if way not in ("inputs", "instances"):
            return _Wrong("it is a tensor: send inputs or instances")
        return _tensor(values[0], column)
    if way == "parquet":
        return _arrow(values[0], of)
    if not isinstance(of, Scalar):
        if table.is_text:
            return _Wrong(f"CSV cannot carry {of}")
        said = ((row, inside(value, of, column.required)) for row, value in enumerate(values))
    elif table.is_text:
        said = ((row, text(value, of.name)) for row, value in enumerate(values))
    elif of.name in ("datetime", ANY.name, *WHOLE):
        wrong = moments(values) if of.name == "datetime" else whole(values, of.name)
        return None if wrong is None else _Wrong(*wrong)
    else:
        said = ((row, top(value, of.name)) for row, value in enumerate(values))
    return next((_Wrong(why, row) for row, why in said if why), None)


ARROW: Mapping[str, tuple[str, ...]] = {
    "boolean": ("bool",),
    "integer": ("int8", "int16", "int32", "uint8", "uint16"),
    "long": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
    "float": ("halffloat", "float"),
    "double": ("halffloat", "float", "double", "int8", "int16", "int32", "uint8", "uint16", "uint32"),
    "string": ("string", "large_string"),
    "binary": ("binary", "large_binary"),
    "datetime": ("date32[day]", "timestamp[s]", "timestamp[ms]", "timestamp[us]", "timestamp[ns]"),
}
"""The types of a Parquet file's columns that are taken, once pandas has read them."""


def _arrow(column: TypedColumn, of: DataType) -> _Wrong | None:
    if of == ANY:
        return None
    if not isinstance(of, Scalar):
        return _Wrong(f"whether {column.type} is taken as {of} is not known: send JSON")
    if column.nulls and "int" in column.type and of.name in (*WHOLE, "float"):
        return _Wrong(f"a missing value makes {column.type} a double, which is not taken as {of}")
    small = of.name in ("float", "double") and (column.minimum, column.maximum) in ((0, 0), (0, 1), (1, 1))
    is_taken = column.type in ARROW.get(of.name, ()) or (column.type == "int64" and small)
    if column.nulls and of.name == "double" and column.type in ("int64", "uint64"):
        is_taken = max(abs(column.minimum or 0), abs(column.maximum or 0)) <= 2**53  # a double by then
    if is_taken or (column.type.startswith("decimal128") and of.name == "double"):
        return None
    return _Wrong(f"{column.type} is not taken as {of}")


def _tensor(value: Any, column: Column) -> _Wrong | None:
    wanted = column.shape or ()
    if column.type == "object" and wanted == (-1,):
        return None
    shape = _shape(value)
    if shape is None:
        return _Wrong("it is ragged: every row must have as many values")
    if len(shape) != len(wanted) or any(
        want not in (-1, size) for want, size in zip(wanted, shape, strict=True)
    ):
        return _Wrong(f"its shape is {list(shape)}, not {list(wanted)}")
    return next((_Wrong(why) for why in (element(one, column.type) for one in _flat(value)) if why), None)


def _shape(value: Any) -> tuple[int, ...] | None:
    """The shape of nested lists; None where they are ragged."""
    if not isinstance(value, list):
        return ()
    inner = {_shape(one) for one in value}
    if None in inner or len(inner) > 1:
        return None
    return (len(value), *next(iter(inner), ()))  # type: ignore[misc]


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    else:
        yield value


def _params(params: Sequence[Column], given: Mapping[str, Any]) -> Iterator[RequestProblem]:
    for column in params:
        value = given.get(column.name)
        if value is None:
            continue
        of = parse_type(column.type)
        if not _is_known(column):
            why = None
        elif isinstance(of, ObjectOf):
            why = inside(value, of, required=True)
        elif column.shape is None:
            why = param(value, str(of))
        elif not isinstance(value, list):
            why = f"{shown(value)} is no list"
        else:
            why = next(filter(None, (param(one, str(of)) for one in value if one is not None)), None)
        if why:
            yield RequestProblem(f"params.{column.name}", why)

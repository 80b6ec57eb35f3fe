"""Requests held against MLflow's own server and enforcement: what it refuses or alters we refuse, and nothing else."""

import base64
import io
import json
import random
import struct
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters import Column, Schema
from federation.catalogue.requests import SampleRequest, TypedColumn, Validation, validate
from federation.errors import InvalidRequestError
from tests.federation.graph import served
from tests.federation.graph.served import RouteRequest, mlflow, same, taken, theirs
from tests.federation.graph.signatures import SCALARS, Signature, make
from tests.soak import soak

FIXED = 2026
ODD: tuple[Any, ...] = (None, True, 0, 1, 5, 2**31, 2**53 + 1, 2**63, 1.0, 1.7, 1e39, "", "5", "no", "Ä", [], [1, None],
                        {}, {"k": 1}, "2024-02-29T12:30:00Z", "2024-02-29")  # fmt: skip
"""What may stand where something else was asked for."""


def altered(rng: random.Random, request: RouteRequest) -> RouteRequest:
    """The same request with one value that may not fit, where it has columns."""
    body = json.loads(json.dumps(request.body))
    if request.route == "dataframe_split":
        rows = body["dataframe_split"]["data"]
    elif request.route == "dataframe_records":
        rows = body["dataframe_records"]
    else:
        return request
    row = rng.choice(rows)
    if row:
        place = rng.choice(list(row) if isinstance(row, dict) else range(len(row)))
        row[place] = rng.choice(ODD)
    return RouteRequest(request.route, body, {}, request.consumed)


def whole(body: Any, route: str) -> Iterator[tuple[str, list[Any]]]:
    """The columns of a request as they were sent."""
    if route == "dataframe_split":
        rows, names = body[route]["data"], body[route].get("columns")
        for place in range(len(rows[0])):
            yield names[place] if names else str(place), [row[place] for row in rows]
    else:
        for name in body[route][0]:
            yield name, [row.get(name) for row in body[route]]


def theirs_say(request: RouteRequest, signature: Signature) -> tuple[str, str]:
    """Whether MLflow takes a request and hands it on as it was sent."""
    try:
        given = taken(request, signature)
    except Exception as error:
        return "no", f"{error!r:.200}"
    if request.route not in ("dataframe_split", "dataframe_records"):
        return "yes", ""
    got = served.arrived(given)
    specs = {one.get("name", str(at)): one for at, one in enumerate(signature.inputs)}
    for name, sent in whole(request.body, request.route):
        if (
            name not in specs
            or (found := got.get(name, got.get(int(name) if name.isdigit() else ""))) is None
        ):
            continue
        for one, other in zip(sent, found, strict=True):
            if isinstance(other, bytes) and base64.b64encode(other).decode() == one:
                continue
            if specs[name]["type"] == "float" and type(one) is float and float(other) == single(one):
                continue
            if one is None and same(None, other):
                continue
            if not same(one, as_text(other)):
                return "altered", f"{name}: {one!r} arrives as {other!r:.80}"
            if specs[name]["type"] in SCALARS and not served.of_named_type(other, specs[name]):
                return "altered", f"{name}: {one!r} arrives as a {type(other).__name__}"
    return "yes", ""


def as_text(value: Any) -> Any:
    """The value with bytes inside a list as the text that they were sent as."""
    if isinstance(value, dict):
        return {name: as_text(one) for name, one in value.items()}
    if isinstance(value, list):
        return [one.decode() if isinstance(one, bytes) else as_text(one) for one in value]
    return value


def single(value: float) -> float | None:
    """The number with 32 bits that is nearest; None where there is none."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return None


def ours_say(request: RouteRequest, schema: Schema | None) -> Validation | None:
    try:
        sent = msgspec.convert(json.loads(json.dumps(request.body)), SampleRequest)
        return validate("m", schema, sent)
    except InvalidRequestError:
        return None


def disagreements(cases: int, seed: int, counted: Counter[str]) -> list[str]:
    """Where the two say something else, of requests to so many generated signatures."""
    found: list[str] = []
    for case in range(cases):
        rng = random.Random(f"{seed}:{case}")
        signature = make(rng)
        for request in served.requests(rng, signature):
            if request.route == "typed" or (request.route == "inputs" and not signature.is_tensor):
                continue
            for one in (request, altered(rng, request)):
                ours, (verdict, why) = (
                    ours_say(one, signature.schema() or Schema()),
                    theirs_say(one, signature),
                )
                if ours is None:
                    continue
                counted[verdict] += 1
                if ours.verdict != ("yes" if verdict == "yes" else "no"):
                    said = "; ".join(f"{each.column} {each.problem}" for each in ours.problems) or "taken"
                    asked = f"{json.dumps(signature.inputs)} {json.dumps(one.body):.300}"
                    found.append(f"{asked}: MLflow: {verdict} ({why}); we: {said}; {seed}:{case}")
    return found


@soak(sample=1, full=2_000)
def test_a_request_is_taken_where_mlflow_takes_it(cases: int, seed: int) -> list[str]:
    return disagreements(cases, seed, Counter())


def test_a_fixed_sample_of_requests_agrees_with_mlflow() -> None:
    counted: Counter[str] = Counter()
    assert disagreements(60, FIXED, counted) == []
    assert min(counted.values()) > 20


CELLS = (
    "",
    "NA",
    "5",
    "-1",
    "0.5",
    "1e3",
    "1e39",
    "true",
    "False",
    "no",
    "abc",
    "2024-01-01",
    "3000000000",
    "9223372036854775808",
)


@pytest.mark.parametrize("of", SCALARS)
def test_a_cell_of_csv_is_taken_where_mlflow_takes_it(of: str) -> None:
    signature = Signature(
        [{"type": of, "name": "a", "required": True}, {"type": "string", "name": "b", "required": True}]
    )
    schema, (inputs, _) = signature.schema(), theirs(signature)
    differing = []
    for cell in CELLS:
        text = f"a,b\n{cell},x\n"
        try:
            frame = mlflow().pyfunc.scoring_server.parse_csv_input(io.StringIO(text), inputs)
            enforced = mlflow().models.utils._enforce_schema(frame, inputs)
            altered = str(enforced["a"][0]) == "inf" or (cell in ("true", "False") and of in NUMBERS)
            verdict = "no" if altered else "yes"
        except Exception:
            verdict = "no"
        if validate("m", schema, SampleRequest(csv=text)).verdict != verdict:
            differing.append(f"{cell!r}: MLflow: {verdict}")
    assert not differing, "; ".join(differing)


NUMBERS = ("integer", "long", "float", "double")
ARROWS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double", "string",
          "binary", "date32[day]", "timestamp[us]", "timestamp[us, tz=UTC]", "decimal128(10, 2)")  # fmt: skip


@pytest.mark.parametrize("of", SCALARS)
def test_a_column_of_parquet_is_taken_where_mlflow_takes_it(of: str) -> None:
    import pyarrow as arrow

    signature = Signature([{"type": of, "name": "a", "required": True}])
    schema, (inputs, _) = signature.schema(), theirs(signature)
    types = {"timestamp[us]": arrow.timestamp("us"), "timestamp[us, tz=UTC]": arrow.timestamp("us", tz="UTC"),
             "decimal128(10, 2)": arrow.decimal128(10, 2), "date32[day]": arrow.date32(), "bool": arrow.bool_(),
             "float": arrow.float32(), "double": arrow.float64()}  # fmt: skip
    differing = []
    for name in ARROWS:
        kind = types.get(name) or getattr(arrow, name)()
        for values in ([2, 3], [0, 1], [2, None], [0, 1, None]):
            frame = arrow.table(
                {"a": arrow.array([_value(name, one) for one in values]).cast(kind)}
            ).to_pandas()
            try:
                got = mlflow().models.utils._enforce_schema(frame, inputs)["a"]
                is_one = all(same(None, one) or served.of_named_type(one, {"type": of}) for one in got)
                verdict = "no" if not is_one or (name == "bool" and of in NUMBERS) else "yes"
            except Exception:
                verdict = "no"
            whole = [one for one in values if one is not None] if "int" in name else [None]
            told = TypedColumn("a", str(kind), None in values, whole[0], whole[-1])
            if validate("m", schema, SampleRequest(parquet=[told])).verdict != verdict:
                differing.append(f"{name} {values}: MLflow: {verdict}")
    assert not differing, "; ".join(differing)


def _value(name: str, value: int | None) -> Any:
    """A value that Arrow makes a column of a type from."""
    made: dict[str, Any] = {"string": "x", "binary": b"x", "bool": bool(value), "date32[day]": date(2026, 1, 2),
                            "decimal128(10, 2)": Decimal(value or 0)}  # fmt: skip
    return None if value is None else made.get(name, value)


def test_what_is_no_request_and_what_nobody_knows() -> None:
    schema = Schema(
        inputs=(Column("a", "long"),), params=(Column("p", "double", required=False, default="1"),)
    )
    sent = SampleRequest(dataframe_records=[{"a": 1, "z": 2}], params={"p": "x", "q": 1})
    found = validate("m", schema, sent)
    assert [(one.column, one.row) for one in found.problems] == [("params.p", None)]
    assert found.ignored == ["z", "q"]
    assert validate("m", None, sent).verdict == "unknown"
    for odd in (SampleRequest(), SampleRequest(csv="a", parquet=[]), SampleRequest(csv=""), SampleRequest(inputs=[1]),
                SampleRequest(csv="a,b\n1\n"), SampleRequest(csv="a,a\n1,2\n")):  # fmt: skip
        with pytest.raises(InvalidRequestError):
            validate("m", schema, odd)


def test_a_column_of_a_type_that_is_not_known_is_not_said_to_be_taken() -> None:
    inputs = (
        Column("a", "double"), Column("b", "FP32"), Column("c", "array<decimal(10, 2)>", required=False),
        Column("d", "double"),
    )  # fmt: skip
    schema = Schema(inputs=inputs, params=(Column("p", "word of another", required=False, default="1"),))
    found = validate(
        "m", schema, SampleRequest(dataframe_records=[{"a": 1.5, "b": "x", "d": 1.5}], params={"p": 3})
    )
    assert (found.verdict, found.unchecked) == ("unknown", ["b", "p"])
    wrong = validate("m", schema, SampleRequest(dataframe_records=[{"a": "x", "b": "x"}]))
    assert (wrong.verdict, [one.column for one in wrong.problems]) == ("no", ["a", "d"])
    tensor = Schema(inputs=(Column("t", "TYPE_FP32", shape=(-1, 2)),))
    assert validate("m", tensor, SampleRequest(inputs=[["x", "y"]])).verdict == "unknown"
    assert validate("m", tensor, SampleRequest(inputs=[["x"]])).verdict == "no"
    known = Schema(inputs=(Column("t", "float32", shape=(-1, 2)),))
    assert validate("m", known, SampleRequest(inputs=[["x", "y"]])).verdict == "no"

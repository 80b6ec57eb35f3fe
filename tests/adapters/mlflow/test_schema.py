"""Signatures as MLflow writes them, read without loading a model."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters import BadRecordError, Column, Schema
from adapters.mlflow.schema import parse_mlmodel


def written(**parts: Any) -> bytes:
    """A file whose signature was written by hand."""
    dumped: str = yaml.safe_dump({"signature": {side: json.dumps(of) for side, of in parts.items()}})
    return dumped.encode()


def test_a_signature_of_mlflow_loses_nothing() -> None:
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, TensorSpec
    from mlflow.types import Schema as Signature
    from mlflow.types.schema import AnyType, Array, Map, Object, Property

    of = Object([Property("a", DataType.long), Property("b c", Array(AnyType()), required=False)])
    columns = Signature([ColSpec(of, "o"), ColSpec(Map(of), "m", required=False), ColSpec("double", "d")])
    params = ParamSchema([ParamSpec("t", "double", 0.5), ParamSpec("stop", "string", ["."], shape=(-1,)),
                          ParamSpec("o", Object([Property("k", DataType.long)]), {"k": 1})])  # fmt: skip
    outputs = Signature(
        [TensorSpec(np.dtype("float32"), (), "scalar"), TensorSpec(np.dtype("int64"), (-1, 3), "m")]
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "MLmodel")
        Model(signature=ModelSignature(columns, outputs, params)).save(str(file))
        found = parse_mlmodel(file.read_bytes()).schema
    written = 'object{a: long, "b c"?: array<any>}'
    assert found == Schema(
        inputs=(Column("o", written), Column("m", f"map<{written}>", required=False), Column("d", "double")),
        outputs=(Column("scalar", "float32", shape=()), Column("m", "int64", shape=(-1, 3))),
        params=(
            Column("t", "double", required=False, default="0.5"),
            Column("stop", "string", required=False, shape=(-1,), default='["."]'),
            Column("o", "object{k: long}", required=False, default='{"k": 1}'),
        ),
    )


def test_where_it_is_not_said_required_is_as_mlflow_has_it() -> None:
    listed = [{"name": "s", "type": "long"}, {"name": "a", "type": "array", "items": {"type": "long"}},
              {"name": "o", "type": "object", "properties": {"p": {"type": "long"}}},
              {"name": "x", "type": "any"}]  # fmt: skip
    found = parse_mlmodel(written(inputs=listed)).schema
    assert found is not None
    assert [(one.name, one.type, one.required) for one in found.inputs] == [
        ("s", "long", True), ("a", "array<long>", False), ("o", "object{p: long}", False), ("x", "any", False),
    ]  # fmt: skip


def test_columns_without_names_are_told_by_their_place() -> None:
    found = parse_mlmodel(written(inputs=[{"type": "long"}, {"type": "double"}])).schema
    assert found is not None
    assert [(one.name, one.positional) for one in found.inputs] == [("0", True), ("1", True)]


def test_a_signature_of_params_alone_is_one() -> None:
    found = parse_mlmodel(
        written(params=[{"name": "n", "dtype": "long", "default": 1, "shape": None}])
    ).schema
    assert found == Schema(params=(Column("n", "long", required=False, default="1"),))


@pytest.mark.parametrize(
    "inputs",
    [
        {"a": 1},
        ["long"],
        [{"name": "x"}],
        [{"name": "x", "type": ["long"]}],
        [{"name": "x", "type": "array"}],
        [{"name": "x", "type": "array", "items": "string"}],
        [{"name": "x", "type": "object", "properties": {"a": "long"}}],
        [{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": "any"}}],
    ],
)
def test_what_cannot_be_read_is_not_taken_for_anything(inputs: Any) -> None:
    with pytest.raises(BadRecordError, match="the MLmodel file has a"):
        parse_mlmodel(written(inputs=inputs))

"""What a model is, takes and gives, read off its `MLmodel` file. No model is ever loaded.

Source of the format: mlflow.models.signature and mlflow.types.schema; a signature is JSON text inside YAML.
"""

import json
from collections.abc import Sequence
from typing import Any

from adapters.datatypes import ANY, ArrayOf, DataType, MapOf, ObjectOf, Property, Scalar
from adapters.errors import BadRecordError
from adapters.parsing import parse_json, parse_yaml
from adapters.payloads import Raw, part, text
from adapters.records import Column, Details, Environment, Schema

DEEPEST_TYPE = 20
PYTHON = "python_function"
"""The flavour that every model has beside that of its framework."""


def parse_mlmodel(content: bytes) -> Details:
    """Schema and framework in an `MLmodel` file, and which Python it was made with.

    Errors: `BadRecordError` for a file that cannot be read, `UnsupportedError` without the extra `mlflow`.
    """
    file = part(parse_yaml(content, "the MLmodel file"))
    flavours = part(file, "flavors")
    python = text(flavours, PYTHON, "python_version")
    return Details(
        schema=schema_of(file.get("signature")),
        framework=framework_of(flavours),
        environment=Environment(python=python) if python else None,
    )


def schema_of(signature: object) -> Schema | None:
    """The schema of a signature; None where there is none. Errors: `BadRecordError`."""
    if not isinstance(signature, dict):
        return None
    inputs, outputs = (columns(rows(signature.get(side))) for side in ("inputs", "outputs"))
    schema = Schema(inputs, outputs, tuple(map(param, rows(signature.get("params")))))
    return schema if schema.inputs or schema.outputs or schema.params else None


def framework_of(flavours: Raw) -> str | None:
    """The framework of a model with these flavours: the only one, else that which MLflow's own loader is of."""
    names = sorted(name for name in flavours if name != PYTHON and isinstance(flavours[name], dict))
    loader = (text(flavours, PYTHON, "loader_module") or "").rpartition(".")[2]
    return names[0] if len(names) == 1 else loader if loader in names else None


def rows(signature: object) -> list[dict[str, Any]]:
    """The columns or parameters that one part of a signature lists, as they stand there. Errors: `BadRecordError`."""
    if signature is not None and not isinstance(signature, str):
        raise BadRecordError("the MLmodel file has a signature that is not written as JSON in a text")
    listed = [] if signature is None else parse_json(signature, "the signature in the MLmodel file")
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise BadRecordError("the MLmodel file has a signature that is no list of columns")
    return listed


def columns(listed: Sequence[dict[str, Any]]) -> tuple[Column, ...]:
    """The columns of one side; one without a name is told by its place."""
    return tuple(column(row, place) for place, row in enumerate(listed))


def column(row: dict[str, Any], place: int) -> Column:
    """One column. Where it does not say so, it is required as MLflow has it: not where its type is made of others."""
    positional = row.get("name") is None
    name = str(place) if positional else str(row["name"])
    tensor = row.get("tensor-spec")
    if isinstance(tensor, dict):
        return Column(
            name, str(tensor.get("dtype")), shape=_shape(tensor.get("shape")), positional=positional
        )
    of = _type(row)
    required = row.get("required", isinstance(of, Scalar) and of != ANY)
    return Column(name, str(of), positional or bool(required), positional=positional)


def param(row: dict[str, Any]) -> Column:
    """One parameter: a single value, or a list of them where it has a shape."""
    of = _type({"type": row.get("dtype"), **row})
    shape = None if row.get("shape") is None else _shape(row["shape"])
    default = json.dumps(row.get("default"), ensure_ascii=False)
    return Column(str(row.get("name")), str(of), required=False, shape=shape, default=default)


def _shape(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
        raise BadRecordError("the MLmodel file has a tensor whose shape is no list of numbers")
    return tuple(sizes)


def _type(spec: Any, depth: int = 0) -> DataType:
    """Errors: `BadRecordError`: a type that is not known may be anything, and is not taken for `any`."""
    kind = spec.get("type") if isinstance(spec, dict) else None
    if depth > DEEPEST_TYPE or not isinstance(kind, str):
        raise BadRecordError("the MLmodel file has a signature with a type that cannot be read")
    match kind:
        case "array":
            return ArrayOf(_type(spec.get("items"), depth + 1))
        case "map":
            return MapOf(_type(spec.get("values"), depth + 1))
        case "object" if isinstance(spec.get("properties"), dict):
            fields = spec["properties"].items()
            return ObjectOf({name: _property(of, depth + 1) for name, of in fields})
        case _:
            return Scalar(kind)


def _property(spec: Any, depth: int) -> Property:
    return Property(_type(spec, depth), spec.get("required") is not False)

"""What a model takes and gives, read off the signature in its `MLmodel` file. No model is ever loaded.

Source of the format: mlflow.models.signature and mlflow.types.schema; a signature is JSON text inside YAML.
"""

from typing import Any

from adapters.parsing import parse_json, parse_yaml
from adapters.records import Column, Schema

DEEPEST_TYPE = 20


def parse_mlmodel(content: bytes) -> Schema | None:
    """The schema in an `MLmodel` file; None where it has no signature.

    Errors: `BadRecordError` for a file that cannot be read, `UnsupportedError` without the extra `mlflow`.
    """
    file = parse_yaml(content, "the MLmodel file")
    signature = file.get("signature") if isinstance(file, dict) else None
    if not isinstance(signature, dict):
        return None
    schema = Schema(columns(signature.get("inputs")), columns(signature.get("outputs")))
    return schema if schema.inputs or schema.outputs else None


def columns(signature: Any) -> tuple[Column, ...]:
    """The columns of one side of a signature; what is not a column is left out."""
    entries = parse_json(signature, "the signature in the MLmodel file") if isinstance(signature, str) else []
    rows = entries if isinstance(entries, list) else []
    return tuple(column(row, place) for place, row in enumerate(rows) if isinstance(row, dict))


def column(row: dict[str, Any], place: int) -> Column:
    """One column; one without a name is called by its place."""
    tensor = row.get("tensor-spec")
    name, required = str(row.get("name") or place), row.get("required") is not False
    if isinstance(tensor, dict):
        shape = tensor.get("shape")
        whole = isinstance(shape, list) and all(isinstance(size, int) for size in shape)
        return Column(
            name, str(tensor.get("dtype", "tensor")), required, tuple(shape) if whole and shape else None
        )
    return Column(name, type_name(row), required)


def type_name(spec: Any, depth: int = 0) -> str:
    """A column's type in one word or expression: `long`, `array<string>`, `map<double>`, `object{a: long}`."""
    if not isinstance(spec, dict) or depth > DEEPEST_TYPE:
        return "any"
    match spec.get("type"):
        case "array":
            return f"array<{type_name(spec.get('items'), depth + 1)}>"
        case "map":
            return f"map<{type_name(spec.get('values'), depth + 1)}>"
        case "object" if isinstance(spec.get("properties"), dict):
            fields = sorted(spec["properties"].items())
            return "object{" + ", ".join(f"{name}: {type_name(of, depth + 1)}" for name, of in fields) + "}"
        case str(name):
            return name
        case _:
            return "any"

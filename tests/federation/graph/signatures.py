"""Generated MLflow signatures, and the same after a change of a kind that happens."""

import copy
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from adapters import Schema
from adapters.mlflow.schema import parse_mlmodel

Spec = dict[str, Any]
SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
DTYPES = ("bool", "int32", "int64", "float32", "float64", "object")
VALUES: Mapping[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "integer": (0, 1, 7, -(2**31), 2**31 - 1),
    "long": (0, 1, 5, 2**53 + 1, 2**40, -(2**63)),
    "float": (0.0, 1.5, -2.25, 3e38),
    "double": (0.0, 1.0, 0.1, 2.5, 1e300),
    "string": ("", "abc", "5", "no", "Ärzte"),
    "binary": (b"", b"abc", b"\xff\x00"),
    "datetime": ("2024-02-29T12:30:00", "1999-12-31T00:00:00"),
}
"""Values of each type, in JSON but for `binary`."""


@dataclass(frozen=True)
class Signature:
    """A signature as the `MLmodel` file has it: columns or tensors, and params, each as JSON."""

    inputs: list[Spec] = field(default_factory=list)
    params: list[Spec] = field(default_factory=list)

    def schema(self) -> Schema | None:
        """What our adapter reads of it."""
        parts = {"inputs": json.dumps(self.inputs), "params": json.dumps(self.params)}
        return parse_mlmodel(
            yaml.safe_dump({"signature": {k: v for k, v in parts.items() if v != "[]"}}).encode()
        ).schema

    @property
    def is_tensor(self) -> bool:
        return any(one["type"] == "tensor" for one in self.inputs)


# --- Signatures ---


def make(rng: random.Random) -> Signature:
    """A signature."""
    params = [param(rng, f"p{at}") for at in range(rng.choice((0, 0, 1, 2)))]
    if rng.random() < 0.2:
        names: list[str | None] = [None] if rng.random() < 0.4 else [*"ab"[: rng.randint(1, 2)]]
        return Signature([tensor(rng, name) for name in names], params)
    if rng.random() < 0.1:
        return Signature(
            [{"type": rng.choice(SCALARS), "required": True} for _ in range(rng.randint(1, 3))], params
        )
    return Signature([column(rng, name) for name in "abc"[: rng.randint(1, 3)]], params)


def column(rng: random.Random, name: str) -> Spec:
    return {**type_of(rng), "name": name, "required": rng.random() < 0.7}


def type_of(rng: random.Random, depth: int = 0) -> Spec:
    kind = rng.choice(("scalar", "scalar", "array", "object", "map", "any")) if depth < 3 else "scalar"
    if kind == "array":
        return {"type": "array", "items": type_of(rng, depth + 1)}
    if kind == "map":
        return {"type": "map", "values": type_of(rng, depth + 1)}
    if kind == "object":
        return {"type": "object", "properties": {n: prop(rng, depth) for n in "xyz"[: rng.randint(1, 3)]}}
    return {"type": "any"} if kind == "any" else {"type": rng.choice(SCALARS)}


def prop(rng: random.Random, depth: int) -> Spec:
    return {**type_of(rng, depth + 1), "required": rng.random() < 0.6}


def tensor(rng: random.Random, name: str | None) -> Spec:
    shape = rng.choice(([], [-1], [-1, 3], [2, 3], [-1, -1]))
    spec = {"type": "tensor", "tensor-spec": {"dtype": rng.choice(DTYPES), "shape": shape}}
    return spec if name is None else {**spec, "name": name}


def param(rng: random.Random, name: str) -> Spec:
    if rng.random() < 0.2:
        properties: Spec = {
            n: {"type": rng.choice(("long", "double", "string")), "required": rng.random() < 0.6}
            for n in "xy"
        }
        default = {n: VALUES[one["type"]][2] for n, one in properties.items()}
        return {"name": name, "type": "object", "properties": properties, "default": default, "shape": None}
    of = rng.choice([one for one in SCALARS if one != "binary"])
    value = VALUES[of][1]
    listed = rng.random() < 0.3
    return {
        "name": name,
        "type": of,
        "default": [value] if listed else value,
        "shape": [-1] if listed else None,
    }


# --- Changes ---


def change(rng: random.Random, old: Signature) -> Signature:
    """The signature after one or two changes of a kind that happens."""
    new = Signature(copy.deepcopy(old.inputs), copy.deepcopy(old.params))
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        part = rng.choice((_inputs, _inputs, _inputs, _params)) if old.params else _inputs
        part(rng, new)
    return new


def _inputs(rng: random.Random, new: Signature) -> None:
    listed, named = new.inputs, all("name" in one for one in new.inputs)
    kind = rng.choice(("type", "type", "type", "gone", "more", "required", "order", "names"))
    if kind == "gone" and len(listed) > 1:
        listed.pop(rng.randrange(len(listed)))
    elif kind == "more" and not (new.is_tensor and not named):
        name = f"n{rng.randrange(9)}"
        made = tensor(rng, name) if new.is_tensor else column(rng, name)
        listed.append(made if named else {"type": rng.choice(SCALARS), "required": True})
    elif kind == "required" and named and not new.is_tensor:
        one = rng.choice(listed)
        one["required"] = not one["required"]
    elif kind == "order":
        rng.shuffle(listed)
    elif kind == "names" and rng.random() < 0.5 and not (new.is_tensor and len(listed) > 1):
        for at, one in enumerate(listed):
            one.update({"required": True} if not new.is_tensor else {})
            one.pop("name") if named else one.update(name="abc"[at])
    else:
        one = rng.choice(listed)
        one.update(tensor(rng, None) if new.is_tensor else altered(rng, one))


def _params(rng: random.Random, new: Signature) -> None:
    kind = rng.choice(("gone", "more", "type", "type", "default"))
    at = rng.randrange(len(new.params)) if new.params else -1
    if at < 0 or kind == "more":
        new.params.append(param(rng, f"q{rng.randrange(9)}"))
    elif kind == "gone":
        new.params.pop(at)
    elif kind == "default" and new.params[at]["type"] in SCALARS and new.params[at]["shape"] is None:
        new.params[at]["default"] = VALUES[new.params[at]["type"]][0]
    else:
        new.params[at] = param(rng, new.params[at]["name"])


def altered(rng: random.Random, spec: Spec) -> Spec:
    """Another type in the place of one, often near it. What else the place says stays."""
    kept: Spec = {name: spec[name] for name in ("name", "required") if name in spec}
    of = spec["type"]
    if of == "array" and rng.random() < 0.7:
        return {**kept, "type": "array", "items": altered(rng, spec["items"])}
    if of == "map" and rng.random() < 0.7:
        return {**kept, "type": "map", "values": altered(rng, spec["values"])}
    if of == "object" and rng.random() < 0.85:
        return {**kept, **_altered_object(rng, spec)}
    if of in SCALARS and rng.random() < 0.6:
        near = {
            "integer": ("long", "double", "float"),
            "float": ("double",),
            "long": ("double", "integer"),
            "double": ("float",),
        }
        return {**kept, "type": rng.choice((*near.get(of, SCALARS), "any"))}
    for gone in ("items", "values", "properties"):
        spec.pop(gone, None)
    return {**kept, **type_of(rng, 1)}


def _altered_object(rng: random.Random, spec: Spec) -> Spec:
    properties = copy.deepcopy(spec["properties"])
    kind = rng.choice(("required", "more", "gone", "type", "map"))
    name = rng.choice(sorted(properties))
    if kind == "map":
        same = {
            json.dumps({k: v for k, v in one.items() if k != "required"}, sort_keys=True)
            for one in properties.values()
        }
        return {"type": "map", "values": json.loads(rng.choice(sorted(same)))}
    if kind == "required":
        properties[name]["required"] = not properties[name]["required"]
    elif kind == "more":
        properties["w"] = prop(rng, 1)
    elif kind == "gone" and len(properties) > 1:
        properties.pop(name)
    else:
        properties[name] = altered(rng, properties[name])
    return {"type": "object", "properties": properties}

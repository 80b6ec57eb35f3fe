"""What MLflow's own scoring server and `predict` make of requests that an old signature takes, under a new one.

`broken`: one is refused on a route that consumers use (columns: `dataframe_split` and `dataframe_records`, tensors:
`inputs` and `instances`, params), or a value does not arrive as it was sent. `unharmed`: every route and typed values
are taken, unchanged and of the type that the signature names. What is neither may be told either way.
"""

import base64
import copy
import json
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from tests.federation.graph.signatures import SCALARS, VALUES, Signature, Spec

Verdict = Literal["broken", "unharmed", "between"]
ABSENT = object()


@cache
def mlflow() -> Any:
    """MLflow, imported when it is asked for: that takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own types
        import mlflow.models.utils
        import mlflow.pyfunc.scoring_server
        import mlflow.types.schema
    return mlflow


def theirs(signature: Signature) -> tuple[Any, Any]:
    """The signature as MLflow's objects: inputs and params."""
    of = mlflow().types.schema
    inputs = of.Schema.from_json(json.dumps(signature.inputs)) if signature.inputs else None
    params = of.ParamSchema.from_json(json.dumps(signature.params)) if signature.params else None
    return inputs, params


# --- Requests ---


@dataclass(frozen=True)
class RouteRequest:
    """One request on a route: JSON as the server parses it, or typed values as `predict` takes them; and the values
    sent, by column. `consumed`: consumers use this route."""

    route: str
    body: Any
    sent: Mapping[str, list[Any]]
    consumed: bool


def requests(rng: random.Random, old: Signature) -> Iterator[RouteRequest]:
    """Requests that the old signature may take; it is asked whether it does."""
    if old.is_tensor:
        for _ in range(3):
            yield from _of_tensors(rng, old)
        return
    yield from _of_columns(rng, old, left_out=0.0)
    yield from _of_columns(rng, old, left_out=0.0, ahead=True)
    yield from _of_columns(rng, old, left_out=1.0)
    for _ in range(5):
        yield from _of_columns(rng, old, left_out=0.4)


def _of_columns(
    rng: random.Random, old: Signature, left_out: float, *, ahead: bool = False
) -> Iterator[RouteRequest]:
    """`left_out`: how likely an optional column is. `ahead`: a column that no signature has stands before the others,
    which tells places from names.
    """
    named = all("name" in one for one in old.inputs)
    names: list[Any] = [one.get("name", at) for at, one in enumerate(old.inputs)]
    rows = rng.choice((1, 1, 2))
    kept = [
        (n, one)
        for n, one in zip(names, old.inputs, strict=True)
        if one["required"] or rng.random() >= left_out
    ]
    if named and (not kept or left_out == 1.0 or ahead or rng.random() < 0.2):
        kept.insert(0, ("of no signature", {"type": "long", "required": True}))
    if named and not ahead and rng.random() < 0.3:
        rng.shuffle(kept)
    sent = {n: [value(rng, one, one["required"]) for _ in range(rows)] for n, one in kept}
    shown = {n: [in_json(v, one, top=True) for v in sent[n]] for n, one in kept}
    table = [[shown[n][row] for n, _ in kept] for row in range(rows)]
    split = {"data": table, **({"columns": [n for n, _ in kept]} if named else {})}
    yield RouteRequest("dataframe_split", {"dataframe_split": split}, sent, consumed=True)
    if named:
        records = [{n: shown[n][row] for n, _ in kept} for row in range(rows)]
        yield RouteRequest("dataframe_records", {"dataframe_records": records}, sent, consumed=True)
        plain = {n: [in_json(v, one, top=False) for v in sent[n]] for n, one in kept}
        listed = [{n: plain[n][row] for n, _ in kept} for row in range(rows)]
        yield RouteRequest("inputs", {"inputs": listed}, sent, consumed=False)
    yield RouteRequest("typed", {n: typed_column(sent[n], one) for n, one in kept}, sent, consumed=False)


def value(rng: random.Random, spec: Spec, required: bool) -> Any:
    """A value of the type. `required`: null may stand there only where the type itself takes it."""
    of = spec["type"]
    if not required and of not in SCALARS and rng.random() < 0.3:
        return None
    if of == "any":
        return rng.choice(("text", 0.5, *([1, "x"],) * 4, *({"k": 1},) * 4))
    if of == "array":
        return [value(rng, spec["items"], required) for _ in range(rng.choice((0, 1, 1, 2)))]
    if of == "map":
        return {n: value(rng, spec["values"], required) for n in ("k", "l")[: rng.choice((1, 1, 2))]}
    if of == "object":
        found: dict[str, Any] = {}
        for name, one in spec["properties"].items():
            if one["required"] or rng.random() < 0.6:
                is_null = not one["required"] and rng.random() < 0.3
                found[name] = None if is_null else value(rng, one, one["required"])
        return found
    return rng.choice(VALUES[of])


def leaves(spec: Spec, at: Any) -> Iterator[Any]:
    """The places of a type where a value stands."""
    if spec["type"] == "array":
        yield from leaves(spec["items"], (at, "[]"))
    elif spec["type"] == "map":
        yield from leaves(spec["values"], (at, "{}"))
    elif spec["type"] == "object":
        for name, one in spec["properties"].items():
            yield from leaves(one, (at, name))
    else:
        yield at


def present(found: Any, spec: Spec, at: Any) -> Iterator[Any]:
    """Those of `leaves` that a value has."""
    if found is None:
        return
    if spec["type"] == "array":
        for one in found:
            yield from present(one, spec["items"], (at, "[]"))
    elif spec["type"] == "map":
        for one in found.values():
            yield from present(one, spec["values"], (at, "{}"))
    elif spec["type"] == "object":
        for name, one in found.items():
            yield from present(one, spec["properties"][name], (at, name))
    else:
        yield at


def in_json(found: Any, spec: Spec, *, top: bool) -> Any:
    """The value as JSON has it: `binary` in base64 where the server decodes it, else as the text it is."""
    if isinstance(found, bytes):
        return base64.b64encode(found).decode() if top else found.decode("latin-1")
    if isinstance(found, list):
        return [in_json(one, spec.get("items", {}), top=False) for one in found]
    if isinstance(found, dict):
        return {n: in_json(one, {}, top=False) for n, one in found.items()}
    return found


def typed(found: Any, spec: Spec) -> Any:
    """The value as a caller in Python has it, of exactly the type that the signature names."""
    import numpy as np
    import pandas as pd

    of = spec.get("type")
    if found is None:
        return None
    if of == "array":
        items = [typed(one, spec["items"]) for one in found]
        dtype = {"integer": "int32", "float": "float32", "datetime": "datetime64[ns]", "double": "float64"}
        return (
            np.array(items, dtype=dtype[spec["items"]["type"]]) if spec["items"]["type"] in dtype else items
        )
    if of == "map":
        return {n: typed(one, spec["values"]) for n, one in found.items()}
    if of == "object":
        return {n: typed(one, spec["properties"][n]) for n, one in found.items()}
    makers: dict[str, Callable[[Any], Any]] = {
        "integer": np.int32, "float": np.float32, "datetime": pd.Timestamp, "double": np.float64, "long": np.int64,
    }  # fmt: skip
    return makers[of](found) if of in makers else found


def typed_column(found: list[Any], spec: Spec) -> Any:
    import pandas as pd

    dtypes = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64", "boolean": "bool",
              "datetime": "datetime64[ns]"}  # fmt: skip
    values = [typed(one, spec) for one in found]
    dtype = None if any(one is None for one in values) else dtypes.get(spec["type"])
    return pd.Series(values, dtype=dtype or (None if spec["type"] in SCALARS else object))


def _of_tensors(rng: random.Random, old: Signature) -> Iterator[RouteRequest]:
    import numpy as np

    arrays: dict[str | None, Any] = {}
    first = rng.choice((1, 2, 3))
    for one in old.inputs:
        spec = one["tensor-spec"]
        shape = [
            first if at == 0 and size == -1 else 2 if size == -1 else size
            for at, size in enumerate(spec["shape"])
        ]
        values = {"bool": (True, False), "int32": (0, 7, 2**31 - 1), "int64": (0, 2**53 + 1), "float32": (0.5, 3e38),
                  "float64": (0.1, 1e300), "object": ("x", 1)}  # fmt: skip
        if spec == {"dtype": "object", "shape": [-1]} and rng.random() < 0.5:
            shape = [1, 1, 1]  # it takes any shape
        count = math.prod(shape)
        flat = [rng.choice(values[spec["dtype"]]) for _ in range(count)]
        arrays[one.get("name")] = np.array(flat, dtype=spec["dtype"]).reshape(shape)
    if None in arrays:
        whole = arrays[None]
        yield RouteRequest("inputs", {"inputs": whole.tolist()}, {"": [whole]}, consumed=True)
        yield RouteRequest("instances", {"instances": whole.tolist()}, {"": [whole]}, consumed=True)
        yield RouteRequest("typed", whole, {"": [whole]}, consumed=False)
        return
    sent = {str(name): [array] for name, array in arrays.items()}
    yield RouteRequest("inputs", {"inputs": {n: a.tolist() for n, a in arrays.items()}}, sent, consumed=True)
    yield RouteRequest("typed", dict(arrays), sent, consumed=False)


# --- What MLflow makes of them ---


def taken(request: RouteRequest, signature: Signature) -> Any:
    """What the model is given. Errors: whatever MLflow raises, where it refuses the request."""
    inputs, _ = theirs(signature)
    import pandas as pd

    body = copy.deepcopy(request.body)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if request.route != "typed":
            parsed = mlflow().pyfunc.scoring_server.infer_and_parse_data(json.loads(json.dumps(body)), inputs)
        elif isinstance(body, dict) and all(isinstance(one, pd.Series) for one in body.values()):
            parsed = pd.DataFrame(body)
        else:
            parsed = body
        return parsed if inputs is None else mlflow().models.utils._enforce_schema(parsed, inputs)


def arrived(given: Any) -> dict[Any, list[Any]]:
    """The values by column, as the model sees them."""
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        return {name: list(given[name]) for name in given.columns}
    if isinstance(given, dict):
        return {name: [array] for name, array in given.items()}
    return {"": [given]}


def same(sent: Any, got: Any) -> bool:
    """Whether a value arrived as it was sent, whatever type holds it."""
    import numpy as np
    import pandas as pd

    if isinstance(sent, np.ndarray) or isinstance(got, np.ndarray):
        sent, got = (one.tolist() if isinstance(one, np.ndarray) else one for one in (sent, got))
    if isinstance(sent, list):
        return isinstance(got, list) and len(sent) == len(got) and all(map(same, sent, got))
    if isinstance(sent, dict):
        return (
            isinstance(got, dict) and sent.keys() == got.keys() and all(same(sent[n], got[n]) for n in sent)
        )
    if sent is None:
        return got is None or got is pd.NaT or (isinstance(got, float) and math.isnan(got))
    if isinstance(got, pd.Timestamp | np.datetime64) or isinstance(sent, pd.Timestamp):
        dated = all(isinstance(one, str | pd.Timestamp | np.datetime64) for one in (sent, got))
        return dated and pd.Timestamp(sent) == pd.Timestamp(got)
    if isinstance(sent, bool | np.bool_) or isinstance(got, bool | np.bool_):
        return (
            isinstance(sent, bool | np.bool_) and isinstance(got, bool | np.bool_) and bool(sent) == bool(got)
        )
    if isinstance(sent, bytes) and isinstance(got, str):
        return False
    return bool(sent == got)


def of_named_type(got: Any, spec: Spec) -> bool:
    """Whether what arrived is of the type that the signature names."""
    import numpy as np
    import pandas as pd

    of = spec.get("type")
    if got is None or of == "any" or of is None or (isinstance(got, float) and math.isnan(got)):
        return True
    if of == "array":
        return isinstance(got, list | np.ndarray) and all(of_named_type(one, spec["items"]) for one in got)
    if of == "map":
        return isinstance(got, dict) and all(of_named_type(one, spec["values"]) for one in got.values())
    if of == "object":
        return isinstance(got, dict) and all(
            of_named_type(one, spec["properties"][n]) for n, one in got.items()
        )
    kinds: dict[str, Any] = {
        "boolean": bool | np.bool_, "integer": int | np.integer, "long": int | np.integer, "float": float | np.floating,
        "double": float | np.floating, "string": str, "binary": bytes, "datetime": pd.Timestamp | np.datetime64,
    }  # fmt: skip
    return isinstance(got, kinds[of])


def judge(rng: random.Random, old: Signature, new: Signature) -> tuple[Verdict, str]:
    """What the change does to callers of the old signature, and by which request."""
    verdict, why = _judge_params(rng, old, new)
    if verdict == "broken":
        return verdict, why
    by_name = {one.get("name", at): one for at, one in enumerate(new.inputs)}
    specs = {one.get("name", at): one for at, one in enumerate(old.inputs)}
    every = {path for at, one in enumerate(old.inputs) for path in leaves(one, one.get("name", at))}
    unseen = {"typed": set(every), "over HTTP": set(every)}
    for request in requests(rng, old):
        try:
            before = arrived(taken(request, old))
        except Exception:
            continue  # not a request that the old version takes
        if (request.route == "typed" or request.consumed) and not old.is_tensor:
            unseen["over HTTP" if request.consumed else "typed"] -= {
                path
                for n, sent in request.sent.items()
                if n in specs
                for one in sent
                for path in present(one, specs[n], n)
            }
        problem = _problem(request, before, new, by_name)
        if problem and request.consumed and problem != "type":
            return "broken", f"{request.route} {request.body!r:.300}: {problem}"
        if problem:
            verdict, why = "between", f"{request.route} {request.body!r:.300}: {problem}"
    if not old.is_tensor and verdict == "unharmed":
        for way, left in unseen.items():
            if left:
                return (
                    "between",
                    f"no request that the old version takes holds {sorted(left, key=str)}, {way}",
                )
    return verdict, why


def _problem(
    request: RouteRequest, before: Mapping[Any, Any], new: Signature, specs: Mapping[Any, Spec]
) -> str:
    try:
        after = arrived(taken(request, new))
    except Exception as error:
        return f"refused: {error!r:.200}"
    if all("name" in one for one in new.inputs):
        pairs = {name: name for name in after if name in request.sent}
    else:
        pairs = {name: got for name, got in zip(before, after, strict=False) if name in request.sent}
    if new.is_tensor and len(after) == len(request.sent) == 1:
        pairs = {next(iter(request.sent)): next(iter(after))}
    for place, (name, got) in enumerate(pairs.items()):
        for one, other, was in zip(
            request.sent[name], after[got], before.get(name, request.sent[name]), strict=True
        ):
            if not same(one, other) and not (same(was, other) and type(was) is type(other)):
                return f"{name} arrives as {other!r:.80}"
            spec = specs.get(name, specs.get(place, {}))
            if not new.is_tensor and not of_named_type(other, spec):
                return "type"
    return ""


def _judge_params(rng: random.Random, old: Signature, new: Signature) -> tuple[Verdict, str]:
    (_, before), (_, after) = theirs(old), theirs(new)
    enforce = mlflow().models.utils._enforce_params_schema
    for one in old.params:
        values = VALUES.get(one["type"], ())
        listed: list[Any] = [[v] for v in values] if one["shape"] else list(values)
        if one["type"] == "object":
            listed = [{n: VALUES[p["type"]][2] for n, p in one["properties"].items()},
                      {n: VALUES[p["type"]][2] for n, p in one["properties"].items() if p["required"]}]  # fmt: skip
        for given in listed:
            try:
                enforce({one["name"]: given}, before)
            except Exception:
                continue
            try:
                got = (enforce({one["name"]: given}, after) or {}).get(one["name"], ABSENT)
            except Exception as error:
                return "broken", f"param {one['name']}={given!r}: {error!r:.200}"
            stays = one["name"] in {p["name"] for p in new.params}
            if stays and one["type"] != "datetime" and not same(given, got):
                return "broken", f"param {one['name']}={given!r} arrives as {got!r}"
            if stays and one["type"] == "datetime" and isinstance(got, str | list) and not _dated(got):
                return "between", f"param {one['name']}={given!r} arrives as {got!r}"
    return "unharmed", ""


def _dated(got: Any) -> bool:
    return isinstance(got, list) and all(not isinstance(one, str) for one in got)

"""Schema contracts: can one version stand in for another?

`backward`: whoever was built against the old one can be given the new one. `forward`: whoever is built against the
new one can be given the old one. `full`: both. A column is compared in the direction in which data flows through it:
what a caller sends must be taken and must arrive as it was sent (inputs, params), what it reads must come as it did
(outputs). The rules are those by which MLflow enforces a signature; `test_contracts_served` holds them against it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from adapters import ANY, ArrayOf, Column, DataType, MapOf, ObjectOf, Property, Scalar, Schema, parse_type

Problem = Literal[
    "column missing",
    "property missing",
    "type changed",
    "shape changed",
    "names changed",
    "optional made required",
    "range narrowed",
    "range widened",
]
Side = Literal["input", "output", "param"]
SAFE: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"long", "double"}),
    "float": frozenset({"double"}),
}
"""Conversions of a column that lose nothing. A double holds 53 bits, so no long."""
SAFE_IN_PARAMS: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"long", "float", "double"}),
    "long": frozenset({"integer"}),
    "float": frozenset({"double"}),
    "double": frozenset({"float"}),
}
"""Of a param too: there a whole number has any size, and a float is one of 64 bits."""


@dataclass(frozen=True, slots=True)
class Break:
    """One reason why a caller of the old version cannot be given the new one."""

    side: Side
    column: str
    problem: Problem
    detail: str

    def __str__(self) -> str:
        return f"{self.side} {self.column}: {self.problem} ({self.detail})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two schemas mean for each other; `known` is False where one of them is not known."""

    known: bool
    backward: tuple[Break, ...] = ()
    forward: tuple[Break, ...] = ()

    @property
    def verdict(self) -> Literal["full", "backward", "forward", "none", "unknown"]:
        """The strongest notion that holds."""
        if not self.known:
            return "unknown"
        if not self.backward:
            return "backward" if self.forward else "full"
        return "none" if self.forward else "forward"


def compare(old: Schema | None, new: Schema | None) -> Comparison:
    """Compare the schema a consumer was built against (`old`) with the one it would get (`new`)."""
    if old is None or new is None:
        return Comparison(known=False)
    return Comparison(known=True, backward=tuple(_breaks(old, new)), forward=tuple(_breaks(new, old)))


def _breaks(old: Schema, new: Schema) -> Iterator[Break]:
    yield from _inputs(old.inputs, new.inputs)
    yield from _outputs(_by_name(old.outputs), _by_name(new.outputs))
    yield from _params(_by_name(old.params), _by_name(new.params))


def _by_name(columns: tuple[Column, ...]) -> dict[str, Column]:
    return {column.name: column for column in columns}


def _inputs(old: tuple[Column, ...], new: tuple[Column, ...]) -> Iterator[Break]:
    """The caller gives the old columns, the new version takes. What it does not know it ignores; where it names no
    input at all, it takes everything."""
    before, after = _by_name(old), _by_name(new)
    if old and new and old[0].positional != new[0].positional:
        if len(old) == len(new) == 1 and old[0].positional and old[0].shape is not None:
            yield from _flow("input", old[0], new[0])  # a single tensor needs no name
        elif new[0].positional or any(taken.required for taken in new):  # else all that comes is ignored
            words = "they had no names" if old[0].positional else "they have no names now, only places"
            yield Break("input", new[0].name, "names changed", words)
        return
    for name, given in before.items():
        if name in after:
            yield from _flow("input", given, after[name])
    for name, taken in after.items():
        if name not in before and taken.required:
            yield Break("input", name, "optional made required", "callers did not have to send it")


def _outputs(old: Mapping[str, Column], new: Mapping[str, Column]) -> Iterator[Break]:
    """The new version gives, the caller takes what it knows of."""
    for name, taken in old.items():
        if (given := new.get(name)) is not None:
            yield from _flow("output", given, taken)
        elif taken.required:
            yield Break("output", name, "column missing", "it is no longer given")


def _params(old: Mapping[str, Column], new: Mapping[str, Column]) -> Iterator[Break]:
    """One that is gone is ignored, a new one has a default."""
    for name, given in old.items():
        if (taken := new.get(name)) is not None:
            yield from _flow("param", given, taken)


def _flow(side: Side, given: Column, taken: Column) -> Iterator[Break]:
    """Data goes from `given` to `taken`; words tell the two in order of time."""
    old, new = (taken, given) if side == "output" else (given, taken)
    if side == "input" and _takes_any_tensor(given, taken):
        return
    place = _TypePosition(nullable=not taken.required)
    for problem, detail in _Types(side).compare(parse_type(given.type), parse_type(taken.type), place):
        yield Break(side, new.name, problem, detail)
    if not _shape_fits(given, taken, exactly=side == "param"):
        yield Break(side, new.name, "shape changed", f"{_shape(old)} → {_shape(new)}")
    if taken.required and not given.required:
        if side == "input":
            yield Break(side, new.name, "optional made required", "callers did not have to send it")
        else:
            yield Break(side, new.name, "column missing", "it is optional now")
    if not _range_fits(given, taken):
        narrowed: Problem = "range widened" if side == "output" else "range narrowed"
        yield Break(side, new.name, narrowed, f"{_range(old)} → {_range(new)}")


class _TypePosition(NamedTuple):
    """Where in a column a type stands. `nullable`: null is taken there. `is_decoded`: a `binary` that is asked for
    there comes as bytes; elsewhere, and where it is not asked for, it comes as the text that was sent."""

    path: str = ""
    nullable: bool = False
    is_decoded: bool = True

    def within(self, name: str) -> str:
        """The path of something inside, for people."""
        return f"{self.path}.{name}".removeprefix(".")


@dataclass(frozen=True, slots=True)
class _Types:
    """What of one type does not fit into another, on one side, each with words for it."""

    side: Side

    def compare(self, given: DataType, taken: DataType, at: _TypePosition) -> Iterator[tuple[Problem, str]]:
        match given, taken:
            case Scalar(), Scalar() if given == taken or taken.name in self._safe(at).get(given.name, ()):
                return
            case _, Scalar() if taken == ANY and not (
                self.side == "input" and _has_bytes(given, at.is_decoded)
            ):
                return
            case ArrayOf(one), ArrayOf(other):
                yield from self.compare(one, other, _TypePosition(f"{at.path}[]", at.nullable))
            case MapOf(one), MapOf(other):
                yield from self.compare(
                    one, other, _TypePosition(f"{at.path}{{}}", at.nullable, is_decoded=False)
                )
            case ObjectOf(), ObjectOf():
                yield from self._object(given, taken, at)
            case ObjectOf(), MapOf(other):
                yield from self._object_as_map(given, other, at)
            case _:
                old, new = (taken, given) if self.side == "output" else (given, taken)
                where = f"{at.path.removeprefix('.')}: " if at.path else ""
                yield "type changed", f"{where}{old} → {new}"

    def _safe(self, at: _TypePosition) -> Mapping[str, frozenset[str]]:
        return SAFE_IN_PARAMS if self.side == "param" and not at.path else SAFE

    def _object(self, given: ObjectOf, taken: ObjectOf, at: _TypePosition) -> Iterator[tuple[Problem, str]]:
        """Taken ones are closed: an unknown property is refused. Who reads one takes what it knows."""
        for name, one in given.properties.items():
            other = taken.properties.get(name)
            if other is not None:
                yield from self._property(name, one, other, at)
            elif self.side != "output":
                yield "property missing", f"{at.within(name)} is no longer taken"
        for name, other in taken.properties.items():
            if other.required and name not in given.properties:
                yield self._lacking(at.within(name), "no longer given")

    def _property(
        self, name: str, one: Property, other: Property, at: _TypePosition
    ) -> Iterator[tuple[Problem, str]]:
        inner = _TypePosition(f"{at.path}.{name}", nullable=not other.required, is_decoded=False)
        yield from self.compare(one.type, other.type, inner)
        if other.required and not one.required:
            yield self._lacking(at.within(name), "optional now")

    def _lacking(self, path: str, how: str) -> tuple[Problem, str]:
        """A property that is needed and may not be there."""
        if self.side == "output":
            return "property missing", f"{path} is {how}"
        return "optional made required", f"callers did not have to send {path}"

    def _object_as_map(
        self, given: ObjectOf, values: DataType, at: _TypePosition
    ) -> Iterator[tuple[Problem, str]]:
        for name, one in given.properties.items():
            inner = _TypePosition(f"{at.path}.{name}", at.nullable, is_decoded=False)
            yield from self.compare(one.type, values, inner)
            if not (one.required or at.nullable or values == ANY):
                yield "optional made required", f"{at.within(name)} may be null"


def _has_bytes(given: DataType, is_decoded: bool) -> bool:
    """Whether something in a type comes as bytes, so that where anything is taken it would come as text."""
    match given:
        case ArrayOf(items):
            return _has_bytes(items, True)
        case MapOf(values):
            return _has_bytes(values, False)
        case ObjectOf(properties):
            return any(_has_bytes(one.type, False) for one in properties.values())
        case Scalar(name):
            return is_decoded and name == "binary"


def _takes_any_tensor(given: Column, taken: Column) -> bool:
    return taken.type == "object" and taken.shape == (-1,) and given.shape is not None


def _shape_fits(given: Column, taken: Column, *, exactly: bool) -> bool:
    if exactly:
        return given.shape == taken.shape
    if given.shape is None or taken.shape is None:
        return True
    sizes = zip(given.shape, taken.shape, strict=False)
    return len(given.shape) == len(taken.shape) and all(t in (-1, g) for g, t in sizes)


def _range_fits(given: Column, taken: Column) -> bool:
    return _within(given.minimum, taken.minimum, lambda g, t: g >= t) and _within(
        given.maximum, taken.maximum, lambda g, t: g <= t
    )


def _within(given: float | None, taken: float | None, fits: Callable[[float, float], bool]) -> bool:
    return taken is None or (given is not None and fits(given, taken))


def _shape(column: Column) -> str:
    return "any" if column.shape is None else f"[{', '.join(map(str, column.shape))}]"


def _range(column: Column) -> str:
    low = "" if column.minimum is None else f"{column.minimum:g}"
    high = "" if column.maximum is None else f"{column.maximum:g}"
    return f"{low}..{high}"

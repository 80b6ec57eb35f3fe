"""Schema contracts: can one version stand in for another?

`backward`: whoever was built against the old one can be given the new one. `forward`: whoever is built against the
new one can be given the old one. `full`: both. A column is compared in the direction in which data flows through it:
what a caller sends must be taken (inputs), what it reads must come as it did (outputs).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from adapters import Column, Schema

Problem = Literal[
    "column missing",
    "type changed",
    "shape changed",
    "optional made required",
    "range narrowed",
    "range widened",
]
Side = Literal["input", "output"]


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
    yield from _inputs({c.name: c for c in old.inputs}, {c.name: c for c in new.inputs})
    yield from _outputs({c.name: c for c in old.outputs}, {c.name: c for c in new.outputs})


def _inputs(old: Mapping[str, Column], new: Mapping[str, Column]) -> Iterator[Break]:
    """The caller gives the old columns, the new version takes."""
    for name, given in old.items():
        if name in new:
            yield from _flow("input", given, new[name], given, new[name])
        else:
            yield Break("input", name, "column missing", "it is no longer taken")
    for name, taken in new.items():
        if name not in old and taken.required:
            yield Break("input", name, "optional made required", "callers did not have to send it")


def _outputs(old: Mapping[str, Column], new: Mapping[str, Column]) -> Iterator[Break]:
    """The new version gives, the caller takes what it knows of."""
    for name, taken in old.items():
        if (given := new.get(name)) is not None:
            yield from _flow("output", given, taken, taken, given)
        elif taken.required:
            yield Break("output", name, "column missing", "it is no longer given")


def _flow(side: Side, given: Column, taken: Column, old: Column, new: Column) -> Iterator[Break]:
    """Data goes from `given` to `taken`; `old` and `new` are the same two in order of time, for the words."""
    name = new.name
    if old.type != new.type:
        yield Break(side, name, "type changed", f"{old.type} → {new.type}")
    if not _shape_fits(given.shape, taken.shape):
        yield Break(side, name, "shape changed", f"{_shape(old)} → {_shape(new)}")
    if taken.required and not given.required:
        if side == "input":
            yield Break(side, name, "optional made required", "callers did not have to send it")
        else:
            yield Break(side, name, "column missing", "it is optional now")
    if not _range_fits(given, taken):
        problem: Problem = "range narrowed" if side == "input" else "range widened"
        yield Break(side, name, problem, f"{_range(old)} → {_range(new)}")


def _shape_fits(given: tuple[int, ...] | None, taken: tuple[int, ...] | None) -> bool:
    if given is None or taken is None:
        return True
    return len(given) == len(taken) and all(t in (-1, g) for g, t in zip(given, taken, strict=True))


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

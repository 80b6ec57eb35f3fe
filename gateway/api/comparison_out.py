"""Two to eight versions laid beside each other."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.meant import reference_meant
from gateway.problems import ProblemError

if TYPE_CHECKING:
    from federation.access import View
    from federation.catalogue.catalogue import LaidOut
    from gateway.waypost import Waypost

FEWEST, MOST = 2, 8


class ComparedOut(msgspec.Struct):
    """One of the versions that are compared, with all its metrics."""

    ref: str
    stage: str
    team: str
    metrics: Mapping[str, float]


class ComparisonOut(msgspec.Struct):
    """Versions beside each other, in the order of `versions`. `fields` has what is not alike in all of them, metrics
    aside: a value for each version, null where it has none.
    """

    metrics: list[str]
    versions: list[ComparedOut]
    fields: Mapping[str, Sequence[Any]]


def comparison_out(waypost: "Waypost", view: "View", refs: Sequence[str], sort: str) -> ComparisonOut:
    """Versions beside each other as JSON. Errors: `ProblemError` for too few or too many, those of reading."""
    if not FEWEST <= len(refs) <= MOST:
        raise ProblemError(422, "invalid-request", f"compare {FEWEST} to {MOST} versions, not {len(refs)}")
    wanted = [reference_meant(waypost, view, text) for text in refs]
    found = waypost.catalogue.lay_out(view, wanted)
    metrics = sorted({name for one in found.versions for name in one.record.metrics})
    if sort and sort.removeprefix("-") not in metrics:
        told = f"there are {', '.join(metrics)}" if metrics else "none has a metric"
        raise ProblemError(
            422, "invalid-request", f"no version has the metric {sort.removeprefix('-')}: {told}"
        )
    order = _order(found, sort)
    return ComparisonOut(
        metrics=metrics,
        versions=[
            ComparedOut(str(one.reference), one.stage, one.team, one.record.metrics)
            for one in (found.versions[at] for at in order)
        ],
        fields={name: [values[at] for at in order] for name, values in found.fields.items()},
    )


def _order(found: "LaidOut", sort: str) -> list[int]:
    """The places of the versions, as they are to stand."""
    name, sign = sort.removeprefix("-"), -1 if sort.startswith("-") else 1
    values = [one.record.metrics.get(name) for one in found.versions]
    return sorted(
        range(len(values)), key=lambda at: (values[at] is None, sign * (values[at] or 0.0) if sort else 0)
    )

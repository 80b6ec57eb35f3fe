"""Writing labels at the right level, though the service only ever shows both levels merged.

A write replaces all labels of one level. What belongs to that level is taken from what can be seen: labels that
every version shows alike are the model's, the others the version's own. Where that guess was wrong, a label is
missing afterwards from a version that showed it before; then it is written again, so nothing is ever lost.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Shown = dict[str, dict[str, str]]
"""The labels each version shows, by version."""


def applied(labels: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """`labels` with the changes made; None removes one."""
    return {key: value for key, value in {**labels, **changes}.items() if value is not None}


def shown_by(versions: list[Any]) -> Shown:
    """What each version shows."""
    return {version.version_id: dict(version.labels) for version in versions}


def alike(shown: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all show with the same value."""
    first, *others = shown or [{}]
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}


def own_labels(shown: Shown, version: str = "") -> dict[str, str]:
    """The labels thought to belong to one version itself, or (without one) to the model.

    Where there is one version only, nothing tells the levels apart: its labels count as both levels' own.
    """
    shared = alike(list(shown.values()))
    if not version:
        return shared
    inherited = shared if len(shown) > 1 else {}
    return {key: value for key, value in shown.get(version, {}).items() if key not in inherited}


def replace_labels(
    own: Mapping[str, str],
    changes: Mapping[str, str | None],
    before: Shown,
    write: Callable[[dict[str, str]], Shown],
) -> None:
    """Write one level, whose labels are thought to be `own`. `write` answers what the versions show afterwards."""
    wanted = applied(own, changes)
    after = write(wanted)
    lost = {
        key: value
        for version, labels in before.items()
        for key, value in labels.items()
        if key not in changes and version in after and after[version].get(key) != value
    }
    if lost:
        write({**wanted, **lost})

"""What this credential may not do, and what that costs."""

from typing import Any

from adapters.errors import UnsupportedError
from adapters.sagemaker.client import Client
from adapters.sagemaker.failures import ForbiddenError
from adapters.sagemaker.serving import COMPONENTS

_WANTED: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "Search",
        {"Resource": "ModelPackage", "MaxResults": 1},
        "packages are described one by one, without AWS tags, and only full scans see changed metadata",
    ),
    ("ListModelPackages", {"MaxResults": 1}, "incremental scans fail"),
    ("ListEndpoints", {"MaxResults": 1}, "which versions serve is not known"),
    (
        "ListInferenceComponents",
        {"MaxResults": 100},  # a backend that only resembles SageMaker may give all it has
        "which versions serve behind inference components is not known",
    ),
    ("ListArtifacts", {"MaxResults": 1}, "the lineage graph is not read"),
)


def missing(client: Client, *, with_lineage: bool) -> tuple[str, ...]:
    """A line for each action that is refused. Without any way of listing packages, the refusal is raised."""
    lines, refusals = [], {}
    for action, params, cost in _WANTED:
        if action == "ListArtifacts" and not with_lineage:
            continue
        try:
            has = _has(client, action, params)
        except ForbiddenError as error:
            refusals[action] = error
            lines.append(f"sagemaker:{action} is not allowed: {cost}")
        else:
            if not has:
                lines.append(f"this backend has no {action}: {cost}")
    if "Search" in refusals and "ListModelPackages" in refusals:
        raise refusals["ListModelPackages"]
    return tuple(lines)


def _has(client: Client, action: str, params: dict[str, Any]) -> bool:
    if action == "ListInferenceComponents":
        # A backend that has no such thing serves nothing by it either.
        client.optional(COMPONENTS, action, **params)
        return True
    if action == "ListArtifacts":
        return client.optional("lineage", action, **params) is not None
    try:
        client.call(action, **params)
    except UnsupportedError:
        return False
    return True

"""Checks that look beyond the version: who depends on it, and who else has its artifact, over all registries."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from federation import tables
from federation.access import EVERYTHING
from federation.catalogue.reader import Version, read_version
from federation.errors import GoneError, UnknownError
from federation.graph.tables import edge, node
from federation.graph.words import EdgeKind, NodeKind
from federation.operations.operations import causes_of
from federation.operations.plans import Plan
from federation.policies.policy import Policy
from federation.promotions.checks import CheckResult, Verdict
from federation.promotions.people import People
from federation.references import Reference, decode_part, parse

if TYPE_CHECKING:
    from federation.graph.answers import ImpactAnswer
    from federation.graph.graph import Graph

LOOKED_AT = 200
"""Dependants whose owners are looked for; of more the check says that it does not know."""
SHOWN = 3
EXPECTED = {
    "none": "nothing is affected",
    "no-breaking": "nothing breaks",
    "acknowledged": "the owners of what breaks in production are known, and agree",
}


def impact(
    connection: Connection,
    policy: Policy,
    version: Version,
    plan: Plan | None,
    people: People,
    graph: "Callable[[], Graph]",
) -> tuple[list[CheckResult], list[str]]:
    """What the plan does to dependants, and the owners who must agree to it."""
    if not policy.impact or plan is None:
        return [], []
    from federation.graph.rows import DamagedError  # deferred: most promotions ask nothing of the graph

    expected = EXPECTED[policy.impact]
    causes = list(causes_of(plan))
    if not causes:
        return [_check(policy, "yes", expected, "every reference means what it meant", [])], []
    try:
        found = graph().impact_of_causes(EVERYTHING, str(version.reference), causes, limit=LOOKED_AT)
    except (DamagedError, OSError):
        seen = "the dependency graph is being built"
        return [CheckResult("impact", "unknown", expected, seen, "the graph", policy.name, is_timed=True)], []
    return _judged(connection, policy, expected, found, people)


def _judged(
    connection: Connection, policy: Policy, expected: str, found: "ImpactAnswer", people: People
) -> tuple[list[CheckResult], list[str]]:
    counts = found.counts
    breaking = [one.ref for one in found.affected if one.breaks]
    seen = f"{counts.breaking} break and {counts.affected} are affected"
    seen += "".join(f"; {ref} breaks" for ref in breaking[:SHOWN])
    facts = sorted(breaking)
    if policy.impact == "none":
        return [_check(policy, "no" if counts.affected else "yes", expected, seen, [counts.affected])], []
    if policy.impact == "no-breaking" or not counts.breaking:
        return [_check(policy, "no" if counts.breaking else "yes", expected, seen, facts)], []
    hit = [one.ref for one in found.affected if one.breaks and one.severity in ("live", "production")]
    owners = {ref: _owner(connection, ref, people) for ref in hit}
    unknown = sorted(ref for ref, owner in owners.items() if owner is None)
    if unknown or len(breaking) < counts.breaking:
        more = (
            f"; nobody is known who owns {', '.join(unknown[:SHOWN])}" if unknown else "; there are too many"
        )
        return [_check(policy, "unknown", expected, seen + more, facts)], []
    return [_check(policy, "yes", expected, seen, facts)], sorted({str(one) for one in owners.values()})


def _owner(connection: Connection, ref: str, people: People) -> str | None:
    try:
        found = read_version(connection, EVERYTHING, parse(ref))
    except (UnknownError, GoneError):
        return None
    return people.named(found.kind, found.record.owner or found.model_record.owner)


def _check(policy: Policy, verdict: Verdict, expected: str, seen: str, facts: object) -> CheckResult:
    return CheckResult(
        "impact",
        verdict,
        expected,
        seen,
        "the dependency graph",
        policy.name,
        facts=facts,
        is_wide=True,
    )


def duplicates(connection: Connection, policy: Policy, version: Version) -> Iterator[CheckResult]:
    """Whether another model has the same artifact."""
    if not policy.duplicates:
        return
    expected, digest = "no other model has the same artifact", version.record.artifact_digest
    if not digest:
        seen, source = "its artifact's digest is not known", f"the record of {version.reference}"
        yield CheckResult("duplicates", "unknown", expected, seen, source, policy.name)
        return
    others = sorted(_sharing(connection, digest, version.model_id))
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    seen = (
        f"{', '.join(others[:SHOWN])}{more} {'has' if len(others) == 1 else 'have'} it"
        if others
        else "none has"
    )
    yield CheckResult(
        "duplicates", "no" if others else "yes", expected, seen, "the dependency graph", policy.name,
        facts=others, is_wide=True,
    )  # fmt: skip


def _sharing(connection: Connection, digest: str, model_id: int) -> Iterator[str]:
    holder, thing = node.alias(), node.alias()
    versions, models, registries = tables.version.c, tables.model.c, tables.registry.c
    query = (
        select(registries.name.label("registry"), models.name, versions.version)
        .select_from(thing)
        .join(edge, edge.c.target == thing.c.id)
        .join(holder, holder.c.id == edge.c.source)
        .join(tables.version, versions.id == holder.c.scope)
        .join(tables.model, models.id == versions.model_id)
        .join(tables.registry, registries.id == models.registry_id)
        .where(thing.c.kind == int(NodeKind.DIGEST), thing.c.scope == 0, thing.c.name == digest)
        .where(
            holder.c.kind == int(NodeKind.VERSION), edge.c.kind == int(EdgeKind.SAME_ARTIFACT), ~edge.c.gone
        )
        .where(versions.deleted_at.is_(None), models.id != model_id)
    )
    for row in connection.execute(query):
        yield str(Reference(row.registry, decode_part(row.name), decode_part(row.version)))

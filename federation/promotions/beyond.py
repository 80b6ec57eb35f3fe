"""Checks that look beyond the version: who depends on it, who else has its artifact, and who made it."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, select

from federation import tables
from federation.access import EVERYTHING
from federation.catalogue.reader import Version, read_version
from federation.errors import GoneError, UnknownError
from federation.graph.tables import edge, node
from federation.graph.words import EdgeKind, NodeKind
from federation.operations.operations import causes_of
from federation.operations.plans import Plan
from federation.operations.tables import operation
from federation.policies.policy import Policy
from federation.promotions.case import SHOWN, Case, CheckResult, few
from federation.references import Reference, decode_part, parse

if TYPE_CHECKING:
    from federation.graph.answers import ImpactAnswer
    from federation.graph.graph import Graph

LOOKED_AT = 200
"""Dependants whose owners are looked for; of more the check says that it does not know."""
EXPECTED = {
    "none": "nothing is affected",
    "no-breaking": "nothing breaks",
    "acknowledged": "the owners of what breaks in production are known, and agree",
}


def affected(
    graph: "Callable[[], Graph]", version: Version, plan: Plan | None, policies: Sequence[Policy]
) -> "ImpactAnswer | None":
    """Whom a plan hits, with as many names as these policies ask for; None where nobody knows: the graph is being
    built. A walk over everything downstream, so one is made for all policies.
    """
    from federation.graph.rows import DamagedError  # deferred: most promotions ask nothing of the graph

    named = LOOKED_AT if any(one.impact == "acknowledged" for one in policies) else SHOWN
    causes = [] if plan is None else list(causes_of(plan))
    try:
        return graph().impact_of_causes(EVERYTHING, str(version.reference), causes, limit=named)
    except (DamagedError, OSError):
        return None


def impact(case: Case) -> Iterator[CheckResult]:
    """What the plan does to dependants; where owners are asked, they must agree to it."""
    if not case.policy.impact or (plan := case.planned()) is None:
        return
    if not any(causes_of(plan)):
        yield _impact(case, True, "every reference means what it meant", [])
    elif (found := case.affected()) is None:
        seen, expected = "the dependency graph is being built", EXPECTED[case.policy.impact]
        yield CheckResult.of("impact", None, expected, seen, "the graph", is_timed=True)
    else:
        yield _affected(case, found)


def _affected(case: Case, found: "ImpactAnswer") -> CheckResult:
    counts, asked = found.counts, case.policy.impact
    breaking = [one.ref for one in found.affected if one.breaks]
    seen = f"{counts.breaking} break and {counts.affected} are affected"
    seen += "".join(f"; {ref} breaks" for ref in breaking[:SHOWN])
    facts = sorted(breaking)
    if asked == "none":
        return _impact(case, not counts.affected, seen, [counts.affected])
    if asked == "no-breaking" or not counts.breaking:
        return _impact(case, not counts.breaking, seen, facts)
    if len(breaking) < counts.breaking:
        return _impact(case, None, f"{seen}; there are too many", facts)
    hit = [one.ref for one in found.affected if one.breaks and one.severity in ("live", "production")]
    owners = {ref: _owner(case, ref) for ref in hit}
    unknown = sorted(ref for ref, owner in owners.items() if owner is None)
    if unknown:
        return _impact(case, None, f"{seen}; nobody is known who owns {few(unknown, ', ')}", facts)
    return _impact(case, True, seen, facts, tuple(sorted(map(str, set(owners.values())))))


def _owner(case: Case, ref: str) -> str | None:
    try:
        found = read_version(case.connection, EVERYTHING, parse(ref))
    except (UnknownError, GoneError):
        return None
    return case.people.named(found.kind, found.record.owner or found.model_record.owner)


def _impact(
    case: Case, holds: bool | None, seen: str, facts: object, agreeing: tuple[str, ...] = ()
) -> CheckResult:
    expected, source = EXPECTED[case.policy.impact], "the dependency graph"
    return CheckResult.of("impact", holds, expected, seen, source, facts, is_wide=True, agreeing=agreeing)


def duplicates(case: Case) -> Iterator[CheckResult]:
    """Whether another model has the same artifact."""
    if not case.policy.duplicates:
        return
    expected, digest = "no other model has the same artifact", case.record.artifact_digest
    if not digest:
        seen, source = "its artifact's digest is not known", f"the record of {case.version.reference}"
        yield CheckResult.of("duplicates", None, expected, seen, source)
        return
    others = sorted(_sharing(case.connection, digest, case.version.model_id))
    seen = f"{few(others, ', ')} {'has' if len(others) == 1 else 'have'} it" if others else "none has"
    source = "the dependency graph"
    yield CheckResult.of("duplicates", not others, expected, seen, source, others, is_wide=True)


_holder, _thing = node.alias(), node.alias()
_versions, _models, _registries = tables.version.c, tables.model.c, tables.registry.c
# Built once: it is asked for each version that is surveyed.
_SHARING = (
    select(_registries.name.label("registry"), _models.name, _versions.version)
    .select_from(_thing)
    .join(edge, edge.c.target == _thing.c.id)
    .join(_holder, _holder.c.id == edge.c.source)
    .join(tables.version, _versions.id == _holder.c.scope)
    .join(tables.model, _models.id == _versions.model_id)
    .join(tables.registry, _registries.id == _models.registry_id)
    .where(_thing.c.kind == int(NodeKind.DIGEST), _thing.c.scope == 0, _thing.c.name == bindparam("digest"))
    .where(_holder.c.kind == int(NodeKind.VERSION), edge.c.kind == int(EdgeKind.SAME_ARTIFACT), ~edge.c.gone)
    .where(_versions.deleted_at.is_(None), _models.id != bindparam("model"))
)


def _sharing(connection: Connection, digest: str, model_id: int) -> Iterator[str]:
    for row in connection.execute(_SHARING, {"digest": digest, "model": model_id}):
        yield str(Reference(row.registry, decode_part(row.name), decode_part(row.version)))


def creator(case: Case) -> Iterator[CheckResult]:
    """Who made or registered the version, where they do not count among those who agree: the facts are the people."""
    if "creator" not in case.policy.separate:
        return
    version = case.version
    registrar = case.connection.execute(
        select(operation.c.actor).where(
            operation.c.registry_id == version.registry_id,
            operation.c.made == str(version.reference),
            operation.c.state == "ok",
        )
    ).scalar()
    found = {case.people.named(version.kind, version.record.creator)} - {None}
    if registrar is not None:
        found.add(case.people.person(registrar))
    seen = "known" if found else "nobody known here has the name that the registry gives, or it gives none"
    source = "who is who ([[people]])"
    yield CheckResult.of(
        "creator", True if found else None, "who made it is known", seen, source, sorted(map(str, found))
    )
